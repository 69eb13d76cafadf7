/* How long a client may take over what it sends.  The daemon's own time limit
** is for silence: a byte now and then would hold a connection for ever.  Here
** the whole head of a request has its time, and each piece of a body. */

#ifndef CAMB_SANDBOX_HTTP_SLOW_CLIENTS_H
#define CAMB_SANDBOX_HTTP_SLOW_CLIENTS_H

#include <stddef.h>

typedef struct SlowClients SlowClients;
typedef struct Waiting Waiting; /* for one connection */

/* Start the thread that cuts whoever takes more than 'seconds'.  NULL and errno
** on failure. */
SlowClients *slow_clients_start (int seconds);

/* Stop and free, after the last slow_clients_forget.  NULL is fine. */
void slow_clients_free (SlowClients *s);

/* A new connection, whose descriptor stays open until slow_clients_forget; the
** head of a request is due.  NULL on out of memory: the connection has no
** limit, and the functions below accept that. */
Waiting *slow_clients_watch (SlowClients *s, int fd);

/* Something else is due from now on. */
void slow_clients_expect (SlowClients *s, Waiting *w);

/* 'n' bytes of a body came. */
void slow_clients_fed (SlowClients *s, Waiting *w, size_t n);

/* Nothing is due: the server is to reply. */
void slow_clients_pause (SlowClients *s, Waiting *w);

/* The connection is about to be closed; 'w' is freed. */
void slow_clients_forget (SlowClients *s, Waiting *w);

#endif
