/* What libcurl wants to know of its sockets, and what the poller was told.  A
** connection is watched, left alone and watched again for every request that
** it carries: the poller is told of changes only when it is about to wait, and
** keeps watching an idle socket until it has an event. */

#ifndef CAMB_WATCHES_H
#define CAMB_WATCHES_H

#include <stdbool.h>

#include "poller.h"

typedef struct Watch {
  int wanted, told; /* POLLER_IN, POLLER_OUT */
  int next;         /* the next descriptor in the list of changes; -1: the
                    ** last */
  bool is_known;    /* from its beginning to its end */
  bool is_listed;   /* among those to be told of */
} Watch;

typedef struct Watches {
  Poller *poller; /* not owned */
  Watch *all;     /* by descriptor */
  int count;
  int first; /* of the list of changes; -1: empty */
} Watches;

void watches_open (Watches *w, Poller *poller);
void watches_free (Watches *w);

/* 'fd' is a new socket, whose end watches_end will report.  The poller is told
** of others at once: their number may stand for another socket next time. */
void watches_begin (Watches *w, int fd);

/* 'fd' is about to be closed. */
void watches_end (Watches *w, int fd);

/* Watch 'fd' for 'events', 0: for none.  -1 when the poller cannot. */
int watches_set (Watches *w, int fd, int events);

/* Tell the poller what it does not know yet; -1 when it cannot watch one. */
int watches_apply (Watches *w);

/* poller_wait, without sockets that are no longer watched. */
int watches_wait (Watches *w, int ms, Ready *ready, int max);

#endif
