/* When the next request to the API may start: evenly spaced to a rate, and not
** before the time that the service asked for.  All in milliseconds of clock_ms,
** in doubles where more requests than one start within one of them. */

#ifndef CAMB_PACE_H
#define CAMB_PACE_H

#include <stdint.h>

typedef struct Pace {
  double gap;          /* between two starts; 0: no limit */
  double next;         /* the first start that nobody was given */
  int64_t quiet_until; /* nothing starts before */
} Pace;

/* Limit it to 'rate' starts a second; 0: no limit. */
void pace_set (Pace *p, double rate);

/* A start of one's own, 'now' or later; one that comes to lie before
** quiet_until has to be taken again. */
int64_t pace_take (Pace *p, int64_t now);

/* Let nothing start before 'until'. */
void pace_hush (Pace *p, int64_t until);

#endif
