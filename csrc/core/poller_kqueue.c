/* The poller on BSD and macOS: one kqueue with socket filters and a timer. */

#include "poller.h"

#ifdef CAMB_POLLER_KQUEUE

#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/event.h>
#include <sys/time.h>
#include <unistd.h>

#include "timers.h"

#define BATCH 64
#define ALARM 1 /* ident of the timer filter; idents are per filter */

struct Poller {
  int queue;
  pid_t owner; /* a child of fork has no queue, and may use its number */
  int64_t alarm;
};

Poller *poller_open (void) {
  Poller *p = calloc(1, sizeof *p);
  if (p == NULL)
    return NULL;
  p->alarm = CLOCK_NEVER;
  p->owner = getpid();
  p->queue = kqueue();
  if (p->queue < 0) {
    free(p);
    return NULL;
  }
  fcntl(p->queue, F_SETFD, FD_CLOEXEC);
  return p;
}

void poller_close (Poller *p) {
  if (p == NULL)
    return;
  if (p->owner == getpid())
    close(p->queue);
  free(p);
}

/* libkqueue's is the end of a pipe that never becomes readable. */
int poller_fd (const Poller *p) {
#ifdef __linux__
  (void)p;
  return -1;
#else
  return p->queue;
#endif
}

static int declare (Poller *p, int fd, int filter, unsigned flags) {
  struct kevent event;
  EV_SET(&event, (uintptr_t)fd, filter, flags, 0, 0, 0);
  return kevent(p->queue, &event, 1, NULL, 0, NULL);
}

/* Deleting a filter that is not there fails with ENOENT, and one whose socket
** was closed is gone with it: both are what is wanted.  libkqueue refuses one
** that it has already. */
static int change (Poller *p, int fd, int filter, int wanted) {
  if (wanted && declare(p, fd, filter, EV_ADD) == 0)
    return 0;
  declare(p, fd, filter, EV_DELETE);
  return wanted ? declare(p, fd, filter, EV_ADD) : 0;
}

int poller_watch (Poller *p, int fd, int events, bool is_new) {
  int in = change(p, fd, EVFILT_READ, events & POLLER_IN);
  int out = change(p, fd, EVFILT_WRITE, events & POLLER_OUT);
  (void)is_new;
  return in != 0 || out != 0 ? -1 : 0;
}

void poller_alarm (Poller *p, int64_t at) {
  struct kevent event;
  int64_t wait = at - clock_ms();
  if (at == p->alarm)
    return;
  p->alarm = at;
  if (at == CLOCK_NEVER)
    EV_SET(&event, ALARM, EVFILT_TIMER, EV_DELETE, 0, 0, 0);
  else /* in milliseconds, its default unit; a zero would never fire on some */
    EV_SET(&event, ALARM, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0,
           wait > 1 ? wait : 1, 0);
  kevent(p->queue, &event, 1, NULL, 0, NULL);
}

static int translate (const struct kevent *event) {
  int result = event->filter == EVFILT_READ ? POLLER_IN : POLLER_OUT;
  if (event->flags & EV_ERROR)
    result |= POLLER_ERROR;
  return result;
}

int poller_wait (Poller *p, int ms, Ready *ready, int max) {
  struct kevent events[BATCH];
  struct timespec limit = {ms / 1000, ms % 1000 * 1000000L};
  int i, n, count = 0;
  n = kevent(p->queue, NULL, 0, events, max < BATCH ? max : BATCH,
             ms < 0 ? NULL : &limit);
  for (i = 0; i < n; i++) {
    if (events[i].filter == EVFILT_TIMER) {
      p->alarm = CLOCK_NEVER;
      continue;
    }
    ready[count].fd = (int)events[i].ident;
    ready[count++].events = translate(&events[i]);
  }
  return count;
}

#else
typedef int camb_poller_kqueue_unused;
#endif
