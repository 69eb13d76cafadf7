/* The threads that turn pending tasks into stems, in the order in which they
** came. */

#ifndef CAMB_SANDBOX_WORKER_H
#define CAMB_SANDBOX_WORKER_H

#include <stdbool.h>

#include "sandbox/store.h"

typedef struct Crew Crew;

/* Start 'count' threads.  A task waits 'processing' seconds at least before
** it is worked on; INFINITY: for ever.  NULL when threads cannot be had.
** Signals are blocked in them if they are in the caller. */
Crew *crew_start (Store *store, int count, double processing);

/* Queue a pending task of the store. */
void crew_add (Crew *c, Task *t);

/* Cancel what is running, which stays pending, and wait for the threads to
** end.  NULL is fine. */
void crew_stop (Crew *c);

#endif
