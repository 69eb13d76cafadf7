/* The ring of requests that a spec reads back. */

#include "sandbox/http/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct Log {
  pthread_mutex_t mutex;
  size_t capacity, count, next;
  Record *ring[];
};

Record *record_new (const char *listener) {
  struct timespec now;
  Record *r = calloc(1, sizeof *r);
  if (r == NULL)
    return NULL;
  clock_gettime(CLOCK_REALTIME, &now);
  atomic_init(&r->references, 1);
  r->listener = listener;
  r->time = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
  return r;
}

void record_release (Record *r) {
  if (r == NULL || atomic_fetch_sub(&r->references, 1) > 1)
    return;
  free(r->method);
  free(r->path);
  free(r->query);
  free(r->file.field);
  free(r->file.name);
  free(r->file.content_type);
  name_values_clear(&r->headers);
  name_values_clear(&r->fields);
  free(r);
}

Log *log_new (size_t capacity) {
  Log *log = calloc(1, sizeof *log + capacity * sizeof log->ring[0]);
  if (log == NULL)
    return NULL;
  pthread_mutex_init(&log->mutex, NULL);
  log->capacity = capacity;
  return log;
}

void log_add (Log *log, Record *r) {
  Record *old = r;
  pthread_mutex_lock(&log->mutex);
  if (log->capacity > 0) {
    old = log->ring[log->next];
    log->ring[log->next] = r;
    log->next = (log->next + 1) % log->capacity;
    if (log->count < log->capacity)
      log->count++;
  }
  pthread_mutex_unlock(&log->mutex);
  record_release(old);
}

Record **log_records (Log *log, size_t *count) {
  Record **records;
  pthread_mutex_lock(&log->mutex);
  *count = log->count;
  records = malloc((log->count + 1) * sizeof *records);
  for (size_t i = 0; records != NULL && i < log->count; i++) {
    size_t at = log->next + log->capacity - log->count + i;
    records[i] = log->ring[at % log->capacity];
    atomic_fetch_add(&records[i]->references, 1);
  }
  pthread_mutex_unlock(&log->mutex);
  return records;
}

void log_release (Record **records, size_t count) {
  for (size_t i = 0; records != NULL && i < count; i++)
    record_release(records[i]);
  free(records);
}

void log_free (Log *log) {
  if (log == NULL)
    return;
  for (size_t i = 0; i < log->capacity; i++)
    record_release(log->ring[i]);
  pthread_mutex_destroy(&log->mutex);
  free(log);
}
