/* One list, the first to be cut at its head: all have the same time. */

#include "sandbox/patience.h"

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

struct Patience {
  pthread_t thread;
  pthread_mutex_t mutex; /* of all that follows */
  pthread_cond_t changed;
  Waiting *first, *last;
  int seconds;
  bool stopping;
};

static void take_out (Patience *p, Waiting *w) {
  if (!w->listed)
    return;
  *(w->previous != NULL ? &w->previous->next : &p->first) = w->next;
  *(w->next != NULL ? &w->next->previous : &p->last) = w->previous;
  w->previous = w->next = NULL;
  w->listed = false;
}

static void put_last (Patience *p, Waiting *w) {
  clock_gettime(CLOCK_MONOTONIC, &w->until);
  w->until.tv_sec += p->seconds;
  w->fed = 0;
  w->previous = p->last;
  *(p->last != NULL ? &p->last->next : &p->first) = w;
  p->last = w;
  w->listed = true;
  if (p->first == w)
    pthread_cond_signal(&p->changed);
}

static bool is_due (const Waiting *w) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec > w->until.tv_sec ||
         (now.tv_sec == w->until.tv_sec && now.tv_nsec >= w->until.tv_nsec);
}

/* The daemon finds the connection at its end, and closes it. */
static void *run (void *context) {
  Patience *p = context;
  pthread_mutex_lock(&p->mutex);
  while (!p->stopping) {
    Waiting *w = p->first;
    if (w == NULL) {
      pthread_cond_wait(&p->changed, &p->mutex);
    } else if (is_due(w)) {
      shutdown(w->fd, SHUT_RDWR);
      take_out(p, w);
    } else {
      struct timespec until = w->until;
      pthread_cond_timedwait(&p->changed, &p->mutex, &until);
    }
  }
  pthread_mutex_unlock(&p->mutex);
  return NULL;
}

Patience *patience_start (int seconds) {
  Patience *p = calloc(1, sizeof *p);
  pthread_condattr_t clock;
  if (p == NULL)
    return NULL;
  p->seconds = seconds;
  pthread_mutex_init(&p->mutex, NULL);
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_cond_init(&p->changed, &clock);
  pthread_condattr_destroy(&clock);
  if (pthread_create(&p->thread, NULL, run, p) == 0)
    return p;
  pthread_cond_destroy(&p->changed);
  pthread_mutex_destroy(&p->mutex);
  free(p);
  return NULL;
}

void patience_free (Patience *p) {
  if (p == NULL)
    return;
  pthread_mutex_lock(&p->mutex);
  p->stopping = true;
  pthread_cond_signal(&p->changed);
  pthread_mutex_unlock(&p->mutex);
  pthread_join(p->thread, NULL);
  pthread_cond_destroy(&p->changed);
  pthread_mutex_destroy(&p->mutex);
  free(p);
}

Waiting *patience_watch (Patience *p, int fd) {
  Waiting *w = calloc(1, sizeof *w);
  if (w == NULL)
    return NULL;
  w->fd = fd;
  patience_expect(p, w);
  return w;
}

void patience_expect (Patience *p, Waiting *w) {
  if (w == NULL)
    return;
  pthread_mutex_lock(&p->mutex);
  take_out(p, w);
  put_last(p, w);
  pthread_mutex_unlock(&p->mutex);
}

/* Only the connection's own thread counts. */
void patience_fed (Patience *p, Waiting *w, size_t n) {
  if (w == NULL)
    return;
  w->fed += n;
  if (w->fed >= PIECE)
    patience_expect(p, w);
}

void patience_pause (Patience *p, Waiting *w) {
  if (w == NULL)
    return;
  pthread_mutex_lock(&p->mutex);
  take_out(p, w);
  pthread_mutex_unlock(&p->mutex);
}

void patience_forget (Patience *p, Waiting *w) {
  if (w == NULL)
    return;
  patience_pause(p, w);
  free(w);
}
