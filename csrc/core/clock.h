/* Time as the core counts it: milliseconds of a clock that never jumps. */

#ifndef CAMB_CLOCK_H
#define CAMB_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

/* Milliseconds since some fixed moment; never goes back. */
int64_t clock_ms (void);

#endif
