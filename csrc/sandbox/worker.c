/* A queue of tasks and the threads that work it off. */

#include "sandbox/worker.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine.h"
#include "sandbox/files.h"

#define NEVER INT64_MAX

struct Crew {
  Store *store;
  pthread_mutex_t mutex; /* of the queue and 'stopping' */
  pthread_cond_t change;
  Task *first, *last;
  bool stopping;
  atomic_bool cancel;
  int64_t processing_ms; /* NEVER: tasks are not worked on */
  int engine_threads;
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

static void finish_badly (Crew *c, Task *t, const char *reason,
                          const char *message) {
  Outcome o = {.status = "ERROR", .reason = reason, .message = message};
  /* On failure it stays pending, and the next start tries it again. */
  (void)store_finish(c->store, t, &o);
}

static bool digest_stem (Crew *c, const char *path, char out[DIGEST_HEX]) {
  uint8_t digest[DIGEST_BYTES];
  if (!secret_digest(path, &c->cancel, digest))
    return false;
  secret_hex(out, digest, sizeof digest);
  return true;
}

static void finish_well (Crew *c, Task *t, char *const paths[2]) {
  Outcome o = {.status = "SUCCESS",
               .files = {"foreground.flac", "background.flac"}};
  bool ok = digest_stem(c, paths[0], o.sha256[0]) &&
            digest_stem(c, paths[1], o.sha256[1]);
  if (atomic_load(&c->cancel))
    return;
  if (!ok || !store_finish(c->store, t, &o))
    finish_badly(c, t, "INTERNAL_ERROR", "The stems could not be stored.");
}

static void separate (Crew *c, Task *t, const char *input,
                      char *const paths[2]) {
  EngineOptions options = {c->engine_threads, &c->cancel};
  EngineReport report;
  int result;
  memset(&report, 0, sizeof report);
  result = engine_separate(input, paths[0], paths[1], &options, &report);
  if (atomic_load(&c->cancel))
    return;
  if (result == 0)
    finish_well(c, t, paths);
  else
    finish_badly(c, t, report.reason ? report.reason : "INTERNAL_ERROR",
                 report.message[0] ? report.message : NULL);
}

static void work_on (Crew *c, Task *t) {
  char *input = files_join(t->folder, t->input);
  char *paths[2] = {files_join(t->folder, "foreground.flac"),
                    files_join(t->folder, "background.flac")};
  if (input != NULL && paths[0] != NULL && paths[1] != NULL)
    separate(c, t, input, paths);
  else
    finish_badly(c, t, "INTERNAL_ERROR", NULL);
  free(input);
  free(paths[0]);
  free(paths[1]);
}

static void *work (void *context) {
  Crew *c = context;
  Task *t;
  while ((t = next_task(c)) != NULL)
    work_on(c, t);
  return NULL;
}

/* Many tasks at once share the processors, one alone gets them all. */
static int threads_for_each (int count) {
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  return processors > count ? (int)(processors / count) : 1;
}

static void make_clock (Crew *c) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&c->change, &attributes);
  pthread_condattr_destroy(&attributes);
}

Crew *crew_start (Store *store, int count, double processing) {
  Crew *c = calloc(1, sizeof *c + (size_t)count * sizeof c->threads[0]);
  if (c == NULL)
    return NULL;
  pthread_mutex_init(&c->mutex, NULL);
  make_clock(c);
  c->store = store;
  c->engine_threads = threads_for_each(count);
  c->processing_ms = processing > 1e12 ? NEVER : (int64_t)ceil(processing * 1e3);
  for (; c->count < count; c->count++)
    if (pthread_create(&c->threads[c->count], NULL, work, c) != 0) {
      crew_stop(c);
      return NULL;
    }
  return c;
}

void crew_add (Crew *c, Task *t) {
  pthread_mutex_lock(&c->mutex);
  t->due_ms =
      c->processing_ms == NEVER ? NEVER : now_ms() + c->processing_ms;
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
  free(c);
}
