/* The threads that turn pending tasks into stems, in the order in which they
** came. */

#ifndef CAMB_SANDBOX_TASKS_WORKER_H
#define CAMB_SANDBOX_TASKS_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/store.h"

typedef struct Crew Crew;

typedef struct CrewOptions {
  int workers;                /* threads, each with a task of its own */
  double processing;          /* seconds that a task waits at least before it is
                       ** worked on; INFINITY: for ever */
  const char *const *command; /* what separates, its words and a NULL; as a
                       ** whole NULL: the built-in engine */
  double command_seconds;     /* until it is killed */
  double max_seconds;         /* of a source; 0: no limit */
  int64_t max_bytes;          /* of a source; 0: no limit */
} CrewOptions;

/* Start the threads, with the caller's signal mask.  NULL if they cannot be
** started. */
Crew *crew_start (Store *store, const CrewOptions *o);

/* Queue a pending task of the store. */
void crew_add (Crew *c, Task *t);

/* Cancel what is running, which stays pending, and wait for the threads to
** end.  NULL is fine. */
void crew_stop (Crew *c);

#endif
