/* The sentence that a failed start hands to its caller. */

#include "sandbox/http/failure.h"

#include <stdarg.h>
#include <stdio.h>

bool fail (Failure *f, const char *kind, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(f->message, sizeof f->message, format, arguments);
  va_end(arguments);
  f->kind = kind;
  return false;
}
