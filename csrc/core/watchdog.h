/* Ends calls that block for too long in a library which has opened a socket of
** its own, such as a database's: a thread shuts that socket down, and the call
** returns with an error.  It finds the socket among the descriptors that are
** new since it was made. */

#ifndef CAMB_WATCHDOG_H
#define CAMB_WATCHDOG_H

#include <signal.h>
#include <stdbool.h>

typedef struct Watchdog Watchdog;

/* Begin to look for the socket that is opened next.  When '*hurry' is not zero,
** calls get a second at most.  NULL: no memory, or no thread. */
Watchdog *watchdog_open (const volatile sig_atomic_t *hurry);

/* The socket is open, so later ones are not it.  False: there is none, or it was
** never connected. */
bool watchdog_adopt (Watchdog *w);

/* A call begins, which may take 'ms'. */
void watchdog_begin (Watchdog *w, int ms);

/* The call has returned; true if it was ended by the watchdog. */
bool watchdog_end (Watchdog *w);

/* Close the socket, which its owner dropped without closing it. */
void watchdog_close_socket (Watchdog *w);

/* End the thread; the socket is its owner's.  NULL is accepted. */
void watchdog_close (Watchdog *w);

#endif
