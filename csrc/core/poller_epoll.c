/* The poller on Linux: epoll for the sockets, timerfd for the alarm. */

#include "poller.h"

#ifdef CAMB_POLLER_EPOLL

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "timers.h"

#define BATCH 64

struct Poller {
  int epoll;
  int timer;
  int64_t alarm;
};

Poller *poller_open (void) {
  struct epoll_event event = {.events = EPOLLIN};
  Poller *p = calloc(1, sizeof *p);
  if (p == NULL)
    return NULL;
  p->alarm = CLOCK_NEVER;
  p->timer = -1;
  p->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (p->epoll < 0)
    goto fail;
  p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (p->timer < 0)
    goto fail;
  event.data.fd = p->timer;
  if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->timer, &event) == 0)
    return p;
fail:
  poller_close(p);
  return NULL;
}

void poller_close (Poller *p) {
  if (p == NULL)
    return;
  if (p->timer >= 0)
    close(p->timer);
  if (p->epoll >= 0)
    close(p->epoll);
  free(p);
}

int poller_fd (const Poller *p) {
  return p->epoll;
}

int poller_watch (Poller *p, int fd, int events, bool is_new) {
  struct epoll_event event;
  memset(&event, 0, sizeof event);
  event.data.fd = fd;
  if (events & POLLER_IN)
    event.events |= EPOLLIN;
  if (events & POLLER_OUT)
    event.events |= EPOLLOUT;
  if (events == 0) {
    epoll_ctl(p->epoll, EPOLL_CTL_DEL, fd, &event); /* may be closed already */
    return 0;
  }
  if (is_new && epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
    return 0;
  /* A number may stand for another socket than last time: no state is kept
  ** of it, the kernel is asked. */
  if (epoll_ctl(p->epoll, EPOLL_CTL_MOD, fd, &event) == 0)
    return 0;
  return errno == ENOENT ? epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) : -1;
}

void poller_alarm (Poller *p, int64_t at) {
  struct itimerspec when;
  if (at == p->alarm)
    return;
  p->alarm = at;
  memset(&when, 0, sizeof when); /* all zero disarms */
  if (at != CLOCK_NEVER) {
    when.it_value.tv_sec = at / 1000;
    when.it_value.tv_nsec = at % 1000 * 1000000;
    if (at <= 0)
      when.it_value.tv_nsec = 1; /* zero would disarm */
  }
  timerfd_settime(p->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static int translate (unsigned events) {
  int result = 0;
  if (events & EPOLLIN)
    result |= POLLER_IN;
  if (events & EPOLLOUT)
    result |= POLLER_OUT;
  if (events & (EPOLLERR | EPOLLHUP))
    result |= POLLER_ERROR;
  return result;
}

int poller_wait (Poller *p, int ms, Ready *ready, int max) {
  struct epoll_event events[BATCH];
  int i, n, count = 0;
  n = epoll_wait(p->epoll, events, max < BATCH ? max : BATCH, ms);
  for (i = 0; i < n; i++) {
    if (events[i].data.fd == p->timer) {
      poller_alarm(p, CLOCK_NEVER); /* also makes it unreadable again */
      continue;
    }
    ready[count].fd = events[i].data.fd;
    ready[count++].events = translate(events[i].events);
  }
  return count;
}

#else
typedef int camb_poller_epoll_unused;
#endif
