/* One list, the first to be cut at its head: all have the same time. */

#include "sandbox/http/slow_clients.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define PIECE 4096 /* bytes of a body that are worth another turn */

struct Waiting {
  Waiting *previous, *next; /* NULL at the ends, and outside of the list */
  bool listed;
  int fd;
  size_t fed; /* bytes of this turn */
  struct timespec until;
};

struct SlowClients {
  pthread_t thread;
  pthread_mutex_t mutex; /* of all that follows */
  pthread_cond_t changed;
  Waiting *first, *last;
  int seconds;
  bool stopping;
};

static void take_out (SlowClients *s, Waiting *w) {
  if (!w->listed)
    return;
  *(w->previous != NULL ? &w->previous->next : &s->first) = w->next;
  *(w->next != NULL ? &w->next->previous : &s->last) = w->previous;
  w->previous = w->next = NULL;
  w->listed = false;
}

static void put_last (SlowClients *s, Waiting *w) {
  clock_gettime(CLOCK_MONOTONIC, &w->until);
  w->until.tv_sec += s->seconds;
  w->fed = 0;
  w->previous = s->last;
  *(s->last != NULL ? &s->last->next : &s->first) = w;
  s->last = w;
  w->listed = true;
  if (s->first == w)
    pthread_cond_signal(&s->changed);
}

static bool is_due (const Waiting *w) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec > w->until.tv_sec ||
         (now.tv_sec == w->until.tv_sec && now.tv_nsec >= w->until.tv_nsec);
}

/* The daemon finds the connection at its end, and closes it. */
static void *run (void *context) {
  SlowClients *s = context;
  pthread_mutex_lock(&s->mutex);
  while (!s->stopping) {
    Waiting *w = s->first;
    if (w == NULL) {
      pthread_cond_wait(&s->changed, &s->mutex);
    } else if (is_due(w)) {
      shutdown(w->fd, SHUT_RDWR);
      take_out(s, w);
    } else {
      struct timespec until = w->until;
      pthread_cond_timedwait(&s->changed, &s->mutex, &until);
    }
  }
  pthread_mutex_unlock(&s->mutex);
  return NULL;
}

SlowClients *slow_clients_start (int seconds) {
  SlowClients *s = calloc(1, sizeof *s);
  pthread_condattr_t clock;
  if (s == NULL)
    return NULL;
  s->seconds = seconds;
  pthread_mutex_init(&s->mutex, NULL);
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_cond_init(&s->changed, &clock);
  pthread_condattr_destroy(&clock);
  if (pthread_create(&s->thread, NULL, run, s) == 0)
    return s;
  pthread_cond_destroy(&s->changed);
  pthread_mutex_destroy(&s->mutex);
  free(s);
  return NULL;
}

void slow_clients_free (SlowClients *s) {
  if (s == NULL)
    return;
  pthread_mutex_lock(&s->mutex);
  s->stopping = true;
  pthread_cond_signal(&s->changed);
  pthread_mutex_unlock(&s->mutex);
  pthread_join(s->thread, NULL);
  pthread_cond_destroy(&s->changed);
  pthread_mutex_destroy(&s->mutex);
  free(s);
}

Waiting *slow_clients_watch (SlowClients *s, int fd) {
  Waiting *w = calloc(1, sizeof *w);
  if (w == NULL)
    return NULL;
  w->fd = fd;
  slow_clients_expect(s, w);
  return w;
}

void slow_clients_expect (SlowClients *s, Waiting *w) {
  if (w == NULL)
    return;
  pthread_mutex_lock(&s->mutex);
  take_out(s, w);
  put_last(s, w);
  pthread_mutex_unlock(&s->mutex);
}

/* Only the connection's own thread counts. */
void slow_clients_fed (SlowClients *s, Waiting *w, size_t n) {
  if (w == NULL)
    return;
  w->fed += n;
  if (w->fed >= PIECE)
    slow_clients_expect(s, w);
}

void slow_clients_pause (SlowClients *s, Waiting *w) {
  if (w == NULL)
    return;
  pthread_mutex_lock(&s->mutex);
  take_out(s, w);
  pthread_mutex_unlock(&s->mutex);
}

void slow_clients_forget (SlowClients *s, Waiting *w) {
  if (w == NULL)
    return;
  slow_clients_pause(s, w);
  free(w);
}
