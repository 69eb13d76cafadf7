/* The poller of last resort: an array for poll(2), and no descriptor of its
** own, so hosts fall back on session_timeout and a step now and then. */

#include "poller.h"

#ifdef CAMB_POLLER_POLL

#include <poll.h>
#include <stdlib.h>

#include "timers.h"

struct Poller {
  struct pollfd *fds;
  int count;
  int capacity;
};

Poller *poller_open (void) {
  return calloc(1, sizeof(Poller));
}

void poller_close (Poller *p) {
  if (p == NULL)
    return;
  free(p->fds);
  free(p);
}

int poller_fd (const Poller *p) {
  (void)p;
  return -1;
}

static int find (const Poller *p, int fd) {
  int i = 0;
  while (i < p->count && p->fds[i].fd != fd)
    i++;
  return i;
}

static int grow (Poller *p) {
  int capacity = p->capacity != 0 ? 2 * p->capacity : 16;
  struct pollfd *fds = realloc(p->fds, (size_t)capacity * sizeof *fds);
  if (fds == NULL)
    return -1;
  p->fds = fds;
  p->capacity = capacity;
  return 0;
}

int poller_watch (Poller *p, int fd, int events, bool is_new) {
  int i = find(p, fd);
  (void)is_new;
  if (events == 0) {
    if (i < p->count)
      p->fds[i] = p->fds[--p->count];
    return 0;
  }
  if (i == p->count) {
    if (p->count == p->capacity && grow(p) != 0)
      return -1;
    p->fds[p->count++].fd = fd;
  }
  p->fds[i].events = (short)((events & POLLER_IN ? POLLIN : 0) |
                             (events & POLLER_OUT ? POLLOUT : 0));
  p->fds[i].revents = 0;
  return 0;
}

void poller_alarm (Poller *p, int64_t at) {
  (void)p;
  (void)at;
}

static int translate (int events) {
  int result = 0;
  if (events & POLLIN)
    result |= POLLER_IN;
  if (events & POLLOUT)
    result |= POLLER_OUT;
  if (events & (POLLERR | POLLHUP | POLLNVAL))
    result |= POLLER_ERROR;
  return result;
}

int poller_wait (Poller *p, int ms, Ready *ready, int max) {
  int i, count = 0;
  if (poll(p->fds, (nfds_t)p->count, ms) <= 0)
    return 0;
  for (i = 0; i < p->count && count < max; i++)
    if (p->fds[i].revents != 0) {
      ready[count].fd = p->fds[i].fd;
      ready[count++].events = translate(p->fds[i].revents);
    }
  return count;
}

#else
typedef int camb_poller_poll_unused;
#endif
