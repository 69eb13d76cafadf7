/* Waiting for sockets and a time at once.  One implementation is compiled in:
** epoll with timerfd (Linux), kqueue (BSD, macOS), or poll(2) anywhere else.
** The first two can be waited on from outside through one descriptor. */

#ifndef CAMB_POLLER_H
#define CAMB_POLLER_H

#include <stdbool.h>
#include <stdint.h>

#if !defined(CAMB_POLLER_EPOLL) && !defined(CAMB_POLLER_KQUEUE) &&             \
  !defined(CAMB_POLLER_POLL)
#if defined(__linux__)
#define CAMB_POLLER_EPOLL
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) ||     \
  defined(__OpenBSD__) || defined(__DragonFly__)
#define CAMB_POLLER_KQUEUE
#else
#define CAMB_POLLER_POLL
#endif
#endif

enum { POLLER_IN = 1, POLLER_OUT = 2, POLLER_ERROR = 4 };

typedef struct Poller Poller;

typedef struct Ready {
  int fd;
  int events; /* POLLER_IN, POLLER_OUT, POLLER_ERROR */
} Ready;

/* A new poller, NULL with errno set when the system refuses.  Descriptors of
** its own are close-on-exec. */
Poller *poller_open (void);

/* Free it and its descriptors, not those it watches; a child of fork frees its
** copy.  NULL does nothing. */
void poller_close (Poller *p);

/* Readable when a watched socket is ready or the alarm went off; -1 if there is
** none (poll, libkqueue).  Owned by 'p'. */
int poller_fd (const Poller *p);

/* Watch 'fd' for 'events' from now on, instead of what was watched before;
** 0 stops watching.  A descriptor that is gone already is not an error.
** 'is_new': it was not watched before, probably. */
int poller_watch (Poller *p, int fd, int events, bool is_new);

/* Make poller_fd readable at 'at' (clock_ms), CLOCK_NEVER: at no time. */
void poller_alarm (Poller *p, int64_t at);

/* Wait at most 'ms' (-1: without limit) and write up to 'max' ready sockets;
** returns how many.  A signal or the alarm ends the wait early. */
int poller_wait (Poller *p, int ms, Ready *ready, int max);

#endif
