/* Time as the core counts it, in milliseconds of a clock that never jumps, and
** what is due when.  Timers are a binary min-heap, each embedded in what it
** wakes: thousands of waiting transfers cost one comparison path each, and no
** allocation but the array of pointers. */

#ifndef CAMB_TIMERS_H
#define CAMB_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

/* Milliseconds since some fixed moment; never goes back. */
int64_t clock_ms (void);

/* The same in microseconds. */
int64_t clock_us (void);

typedef struct Timer {
  int64_t at;   /* clock_ms() at which it is due */
  size_t place; /* 1 + index in the heap; 0 while it is not set */
} Timer;

typedef struct Timers {
  Timer **heap;
  size_t count;
  size_t capacity;
} Timers;

/* Make room for 'count' timers, so that setting one cannot fail: a transfer
** whose timer was lost would never end.  -1 when there is no memory. */
int timers_reserve (Timers *t, size_t count);

/* Set or move 'timer', one of those reserved for, to 'at'. */
void timers_set (Timers *t, Timer *timer, int64_t at);

/* Unset 'timer'; nothing happens when it is not set. */
void timers_unset (Timers *t, Timer *timer);

/* When the first timer is due: clock_ms() time, CLOCK_NEVER when none is. */
int64_t timers_next (const Timers *t);

/* Unset and return a timer due at 'now' or before; NULL when none is. */
Timer *timers_due (Timers *t, int64_t now);

/* Give the array back.  The timers belong to their owners. */
void timers_free (Timers *t);

#endif
