/* When transfers may start.  Each host runs as many at once as it may have
** connections, and the others wait in the order of their arrival. libcurl can
** queue them, too, but for each connection that becomes free it wakes all
** waiters, and each of them builds its request again: with thousands of polls
** that would be most of the work. */

#ifndef CAMB_HOST_QUEUE_H
#define CAMB_HOST_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct Transfer;

/* Where a transfer stands, embedded in it. */
typedef struct HostPlace {
  struct HostQueue *queue; /* NULL: it has none */
  struct Transfer *previous, *next;
  uint64_t turn;
  bool is_long; /* an upload: short transfers are never kept out by these */
  bool waits;
  bool runs;
} HostPlace;

typedef struct Line {
  struct Transfer *first, *last;
} Line;

typedef struct HostQueue {
  struct HostQueue *next;
  char *origin;
  size_t users; /* transfers that stand in it */
  int limit;    /* that may run; 0: any number */
  int connections;
  int running, running_long;
  Line brief, lengthy;
} HostQueue;

typedef struct HostQueues {
  HostQueue *first;
  int limit; /* of each */
  uint64_t turns;
} HostQueues;

/* Give 't' a place in the queue of 'origin'; -1 when there is no memory. */
int host_queue_join (HostQueues *queues, struct Transfer *t,
                     const char *origin);

/* True when 't' may run now; else it waits until host_queue_leave of another one
** returns it. */
bool host_queue_enter (HostQueues *queues, struct Transfer *t);

/* 't' runs or waits no longer.  Returns one that may run now and has to be
** started, NULL when there is none; call it again then, for further ones. */
struct Transfer *host_queue_leave (struct Transfer *t);

/* The host of 't' takes this many at once, whatever the limit was. */
void host_queue_widen (struct Transfer *t, int limit);

/* Give the place up, after host_queue_leave; without one it does nothing. */
void host_queue_part (HostQueues *queues, struct Transfer *t);

/* When the next request to the API may start: evenly spaced to a rate, and not
** before the time that the service asked for.  All in milliseconds of clock_ms,
** in doubles, as several requests may start within one of them. */
typedef struct Pace {
  double gap;          /* between two starts; 0: no limit */
  double next;         /* the earliest start not yet given away */
  int64_t quiet_until; /* nothing starts before */
} Pace;

/* Limit it to 'rate' starts a second; 0: no limit. */
void pace_set (Pace *p, double rate);

/* Reserve a start, at 'now' or later; one that falls before quiet_until has to
** be reserved again. */
int64_t pace_take (Pace *p, int64_t now);

/* Let nothing start before 'until'. */
void pace_hush (Pace *p, int64_t until);

#endif
