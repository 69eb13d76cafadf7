/* Which transfers may run now: a host takes as many at a time as it may have
** connections, and the others wait their turn in the order in which they came.
** libcurl can queue them, too, but for each connection that falls free it wakes
** all that wait, and each of those builds its request anew: with thousands of
** polls that would be most of the work. */

#ifndef CAMB_LANE_H
#define CAMB_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct Transfer;

/* Where a transfer stands, embedded in it. */
typedef struct LanePlace {
  struct Lane *lane; /* NULL: it has none */
  struct Transfer *previous, *next;
  uint64_t turn;
  bool is_long; /* an upload: short transfers are never kept out by these */
  bool waits;
  bool runs;
} LanePlace;

typedef struct LaneQueue {
  struct Transfer *first, *last;
} LaneQueue;

typedef struct Lane {
  struct Lane *next;
  char *origin;
  size_t users; /* transfers that stand in it */
  int limit;    /* that may run; 0: any number */
  int connections;
  int running, running_long;
  LaneQueue brief, lengthy;
} Lane;

typedef struct Lanes {
  Lane *first;
  int limit; /* of each */
  uint64_t turns;
} Lanes;

/* Give 't' a place in the lane of 'origin'; -1 when there is no memory. */
int lane_join (Lanes *lanes, struct Transfer *t, const char *origin);

/* True when 't' may run now; else it waits until lane_leave of another one
** returns it. */
bool lane_enter (Lanes *lanes, struct Transfer *t);

/* 't' runs or waits no longer.  Returns one that may run now and has to be
** started, NULL when there is none; call it again then, for further ones. */
struct Transfer *lane_leave (struct Transfer *t);

/* The host of 't' takes this many at a time, whatever the limit was. */
void lane_widen (struct Transfer *t, int limit);

/* Give the place up, after lane_leave. */
void lane_part (Lanes *lanes, struct Transfer *t);

#endif
