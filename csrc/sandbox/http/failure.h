/* Why the system could not do what it was asked for.  The first failure is the
** one worth reporting, so a Failure is written once per call. */

#ifndef CAMB_SANDBOX_HTTP_FAILURE_H
#define CAMB_SANDBOX_HTTP_FAILURE_H

#include <stdbool.h>

typedef struct Failure {
  const char *kind;   /* "file" or "network", static */
  char message[1024]; /* one sentence for a person */
} Failure;

/* Set 'f' from a printf-like format.  Always false, so it can be returned. */
bool fail (Failure *f, const char *kind, const char *format, ...)
  __attribute__((format(printf, 3, 4)));

#endif
