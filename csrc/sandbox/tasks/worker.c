/* A queue of tasks and the threads that work it off. */

#include "sandbox/tasks/worker.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/command.h"
#include "sandbox/tasks/separate.h"

#define NEVER INT64_MAX
#define THREADS_MAX 4 /* for one file; each takes 60 MB */

struct Crew {
  Store *store;
  pthread_mutex_t mutex; /* of the queue and 'stopping' */
  pthread_cond_t change;
  Task *first, *last;
  bool stopping;
  atomic_bool cancel;
  int64_t processing_ms; /* NEVER: tasks are not worked on */
  char **command;        /* NULL: the built-in engine */
  Separator separator;
  int count;
  pthread_t threads[];
};

static int64_t now_ms (void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_until (Crew *c, int64_t due_ms) {
  struct timespec due = {(time_t)(due_ms / 1000),
                         (long)(due_ms % 1000) * 1000000};
  if (due_ms == NEVER)
    pthread_cond_wait(&c->change, &c->mutex);
  else
    pthread_cond_timedwait(&c->change, &c->mutex, &due);
}

/* The queue is in order of due times, as they all wait equally long. */
static Task *next_task (Crew *c) {
  Task *t = NULL;
  pthread_mutex_lock(&c->mutex);
  while (!c->stopping) {
    if (c->first != NULL && c->first->due_ms <= now_ms())
      break;
    wait_until(c, c->first == NULL ? NEVER : c->first->due_ms);
  }
  if (!c->stopping) {
    t = c->first;
    c->first = t->next;
    t->next = NULL;
    if (c->first == NULL)
      c->last = NULL;
    else /* one of the others may be asleep without a time */
      pthread_cond_signal(&c->change);
  }
  pthread_mutex_unlock(&c->mutex);
  return t;
}

/* A task whose end cannot be recorded stays pending, and the next start tries
** it again. */
static void work_on (Crew *c, Task *t) {
  Separation s;
  Outcome o = {.status = "SUCCESS"};
  store_begin(c->store, t);
  if (!separate_task(&c->separator, t, &s))
    return;
  o.message = s.message[0] != '\0' ? s.message : NULL;
  for (int i = 0; i < 2; i++) {
    o.files[i] = s.files[i];
    memcpy(o.sha256[i], s.sha256[i], DIGEST_HEX);
  }
  if (s.reason == NULL && store_finish(c->store, t, &o))
    return;
  o = (Outcome){.status = "ERROR",
                .reason = s.reason != NULL ? s.reason : "INTERNAL_ERROR",
                .message = o.message};
  (void)store_finish(c->store, t, &o);
}

static void *work (void *context) {
  Crew *c = context;
  Task *t;
  while ((t = next_task(c)) != NULL)
    work_on(c, t);
  return NULL;
}

/* Concurrent tasks share the processors; a single one gets all of them, up to
** the memory of so many threads. */
static int threads_for_each (int count) {
  long threads = sysconf(_SC_NPROCESSORS_ONLN) / count;
  return threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : (int)threads;
}

static void make_clock (Crew *c) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&c->change, &attributes);
  pthread_condattr_destroy(&attributes);
}

static bool start_threads (Crew *c, int count) {
  for (; c->count < count; c->count++)
    if (pthread_create(&c->threads[c->count], NULL, work, c) != 0)
      return false;
  return true;
}

Crew *crew_start (Store *store, const CrewOptions *o) {
  size_t count = (size_t)o->workers;
  Crew *c = calloc(1, sizeof *c + count * sizeof c->threads[0]);
  if (c == NULL)
    return NULL;
  pthread_mutex_init(&c->mutex, NULL);
  make_clock(c);
  c->store = store;
  c->command = o->command == NULL ? NULL : command_copy(o->command);
  c->separator.command = (const char *const *)c->command;
  c->separator.command_seconds = o->command_seconds;
  c->separator.threads = threads_for_each(o->workers);
  c->separator.cancel = &c->cancel;
  c->separator.max_seconds = o->max_seconds;
  c->separator.max_bytes = o->max_bytes;
  c->processing_ms =
    o->processing > 1e12 ? NEVER : (int64_t)ceil(o->processing * 1e3);
  if ((o->command == NULL || c->command != NULL) &&
      start_threads(c, o->workers))
    return c;
  crew_stop(c);
  return NULL;
}

void crew_add (Crew *c, Task *t) {
  pthread_mutex_lock(&c->mutex);
  t->due_ms = c->processing_ms == NEVER ? NEVER : now_ms() + c->processing_ms;
  t->next = NULL;
  if (c->last != NULL)
    c->last->next = t;
  else
    c->first = t;
  c->last = t;
  pthread_cond_signal(&c->change);
  pthread_mutex_unlock(&c->mutex);
}

void crew_stop (Crew *c) {
  if (c == NULL)
    return;
  atomic_store(&c->cancel, true);
  pthread_mutex_lock(&c->mutex);
  c->stopping = true;
  pthread_cond_broadcast(&c->change);
  pthread_mutex_unlock(&c->mutex);
  while (c->count > 0)
    pthread_join(c->threads[--c->count], NULL);
  pthread_mutex_destroy(&c->mutex);
  pthread_cond_destroy(&c->change);
  free(c->command);
  free(c);
}
