/* A thread that does the slow work of a disk for a session, so that a step
** never waits for it: one piece at a time, in the order in which they were
** given. */

#ifndef CAMB_WORKER_H
#define CAMB_WORKER_H

#include <stdbool.h>

typedef struct Worker Worker;

/* Embedded in what it works on, zeroed by its owner. */
typedef struct Work {
  void (*run)(struct Work *work);  /* in the thread */
  void (*done)(struct Work *work); /* for the caller of worker_next */
  struct Work *next;               /* the worker's own */
} Work;

/* A new worker whose thread runs, NULL with errno if the system refuses. */
Worker *worker_open (void);

/* Wait for the end of what runs, drop the rest, and end the thread.  In a child
** of fork, which has no such thread, only its copies are freed and closed.  NULL
** does nothing. */
void worker_close (Worker *w);

/* Readable when worker_next has something to give.  Owned by 'w'. */
int worker_fd (const Worker *w);

/* Let the thread run 'work', which must neither move nor be touched until it is
** done or cancelled. */
void worker_begin (Worker *w, Work *work);

/* The next work that has run; NULL: there is none. */
Work *worker_next (Worker *w);

/* Forget 'work': it will not run, unless it does already, which is waited for;
** and worker_next does not give it. */
void worker_cancel (Worker *w, Work *work);

#endif
