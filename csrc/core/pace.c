/* Starts in even distances. */

#include "pace.h"

#define NEVER 9007199254740992.0 /* 2^53: what a double counts to */

void pace_set (Pace *p, double rate) {
  p->gap = rate > 0 ? 1000 / rate : 0;
}

int64_t pace_take (Pace *p, int64_t now) {
  double at = (double)(now > p->quiet_until ? now : p->quiet_until);
  if (p->gap <= 0)
    return (int64_t)at;
  if (at < p->next)
    at = p->next;
  p->next = at + p->gap < NEVER ? at + p->gap : NEVER;
  return (int64_t)at;
}

void pace_hush (Pace *p, int64_t until) {
  if (until > p->quiet_until)
    p->quiet_until = until;
}
