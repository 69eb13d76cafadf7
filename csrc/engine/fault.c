/* Why a separation failed. */

#include "engine/fault.h"

#include <stdarg.h>
#include <stdio.h>

#include <libavutil/error.h>

int fault_set (Fault *fault, const char *reason, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fault->reason = reason;
  vsnprintf(fault->message, sizeof fault->message, format, arguments);
  va_end(arguments);
  return -1;
}

int fault_code (Fault *fault, const char *reason, const char *what, int code) {
  char words[AV_ERROR_MAX_STRING_SIZE];
  if (code == AVERROR(ENOMEM))
    return fault_memory(fault);
  if (av_strerror(code, words, sizeof words) < 0)
    snprintf(words, sizeof words, "error %d", code);
  return fault_set(fault, reason, "%s: %s", what, words);
}

int fault_memory (Fault *fault) {
  return fault_set(fault, FAULT_INTERNAL, "not enough memory");
}
