/* A queue of recordings and the thread that makes their pictures. */

#include "sandbox/page/painter.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "sandbox/page/picture.h"

#define PEAKS 900
#define COLUMNS 720
#define ROWS 64
#define TICK 10 /* seconds */

struct Painting {
  struct MHD_Connection *connection;
  char *path;
  char *text; /* NULL until it is done, or for lack of memory */
  Painting *next;
};

struct Painter {
  pthread_t thread;
  pthread_mutex_t mutex; /* of the queue and 'stopping' */
  pthread_cond_t change;
  Painting *first, *last;
  bool stopping, running;
  atomic_bool cancel;
  void (*tick)(void *context);
  void *context;
};

static json_t *describe (const Picture *p) {
  return json_pack("{s:f, s:i, s:i, s:i, s:s, s:s}", "duration", p->duration,
                   "rate", p->rate, "channels", p->channels, "columns",
                   p->columns, "peaks", p->waveform, "cells", p->cells);
}

static void paint (Painter *p, Painting *x) {
  Picture picture = {
    .peaks = PEAKS, .columns = COLUMNS, .rows = ROWS, .cancel = &p->cancel};
  Fault fault = {0};
  json_t *value = picture_make(&picture, x->path, &fault) == 0
                    ? describe(&picture)
                    : json_pack("{s:s}", "problem", fault.message);
  x->text = value == NULL ? NULL : json_dumps(value, JSON_COMPACT);
  json_decref(value);
  picture_free(&picture);
}

/* The next one; NULL after a while without one, or when it is time to stop. */
static Painting *next_painting (Painter *p) {
  struct timespec until;
  Painting *x;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += TICK;
  pthread_mutex_lock(&p->mutex);
  while (p->first == NULL && !p->stopping)
    if (pthread_cond_timedwait(&p->change, &p->mutex, &until) != 0)
      break;
  x = p->stopping ? NULL : p->first;
  if (x != NULL && (p->first = x->next) == NULL)
    p->last = NULL;
  pthread_mutex_unlock(&p->mutex);
  return x;
}

static bool is_stopping (Painter *p) {
  bool stopping;
  pthread_mutex_lock(&p->mutex);
  stopping = p->stopping;
  pthread_mutex_unlock(&p->mutex);
  return stopping;
}

/* Requests left in the queue are answered without a picture. */
static void *run (void *context) {
  Painter *p = context;
  while (!is_stopping(p)) {
    Painting *x = next_painting(p);
    if (x != NULL) {
      paint(p, x);
      MHD_resume_connection(x->connection);
    }
    p->tick(p->context);
  }
  for (Painting *next, *x = p->first; x != NULL; x = next) {
    next = x->next;
    MHD_resume_connection(x->connection);
  }
  return NULL;
}

Painter *painter_start (void (*tick)(void *context), void *context) {
  Painter *p = calloc(1, sizeof *p);
  pthread_condattr_t clock;
  if (p == NULL)
    return NULL;
  p->tick = tick;
  p->context = context;
  pthread_mutex_init(&p->mutex, NULL);
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_cond_init(&p->change, &clock);
  pthread_condattr_destroy(&clock);
  p->running = pthread_create(&p->thread, NULL, run, p) == 0;
  if (p->running)
    return p;
  painter_free(p);
  return NULL;
}

static void queue (Painter *p, Painting *x) {
  *(p->last != NULL ? &p->last->next : &p->first) = x;
  p->last = x;
  pthread_cond_signal(&p->change);
}

Painting *painter_ask (Painter *p, struct MHD_Connection *c, const char *path) {
  Painting *x = calloc(1, sizeof *x);
  bool ok;
  if (x == NULL || (x->path = strdup(path)) == NULL) {
    free(x);
    return NULL;
  }
  x->connection = c;
  pthread_mutex_lock(&p->mutex);
  ok = !p->stopping;
  if (ok) {
    MHD_suspend_connection(c);
    queue(p, x);
  }
  pthread_mutex_unlock(&p->mutex);
  if (ok)
    return x;
  painting_free(x);
  return NULL;
}

char *painting_take (Painting *x) {
  char *text = x->text;
  x->text = NULL;
  return text;
}

void painting_free (Painting *x) {
  if (x == NULL)
    return;
  free(x->path);
  free(x->text);
  free(x);
}

void painter_stop (Painter *p) {
  if (p == NULL || !p->running)
    return;
  atomic_store(&p->cancel, true);
  pthread_mutex_lock(&p->mutex);
  p->stopping = true;
  pthread_cond_signal(&p->change);
  pthread_mutex_unlock(&p->mutex);
  pthread_join(p->thread, NULL);
  p->running = false;
}

void painter_free (Painter *p) {
  if (p == NULL)
    return;
  painter_stop(p);
  pthread_cond_destroy(&p->change);
  pthread_mutex_destroy(&p->mutex);
  free(p);
}
