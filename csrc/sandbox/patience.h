/* How long a client may take over what it sends.  The daemon's own time limit
** is for silence: a byte now and then would hold a connection for ever.  Here
** the whole head of a request has its time, and each piece of a body. */

#ifndef CAMB_SANDBOX_PATIENCE_H
#define CAMB_SANDBOX_PATIENCE_H

#include <stddef.h>

typedef struct Patience Patience;
typedef struct Waiting Waiting; /* for one connection */

/* Start the thread that cuts whoever takes more than 'seconds'.  NULL and errno
** on failure. */
Patience *patience_start (int seconds);

/* Stop and free, after the last patience_forget.  NULL is fine. */
void patience_free (Patience *p);

/* A connection came, whose descriptor stays open until patience_forget: the
** head of a request is waited for.  NULL on out of memory, which is no limit,
** and which is fine for all that follows. */
Waiting *patience_watch (Patience *p, int fd);

/* From now on something new is waited for. */
void patience_expect (Patience *p, Waiting *w);

/* 'n' bytes of a body came. */
void patience_fed (Patience *p, Waiting *w, size_t n);

/* Nothing is waited for: it is our turn. */
void patience_pause (Patience *p, Waiting *w);

/* The connection is about to be closed; 'w' is freed. */
void patience_forget (Patience *p, Waiting *w);

#endif
