/* The ring of requests that a spec reads back. */

#include "sandbox/http/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What records may take together: a few kilobytes each, and no less than some
** large ones need. */
#define RECORD_BYTES 4096
#define LEAST_BYTES (16 << 20)

struct Log {
  pthread_mutex_t mutex;
  size_t capacity, count, next;
  size_t bytes, most; /* that the records take, and may take */
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
  log->most = capacity * RECORD_BYTES;
  if (log->most < LEAST_BYTES)
    log->most = LEAST_BYTES;
  return log;
}

static size_t length_of (const char *text) {
  return text == NULL ? 0 : strlen(text) + 1;
}

static size_t size_of (const Record *r) {
  return sizeof *r + r->headers.size + r->fields.size + length_of(r->path) +
         length_of(r->query) + length_of(r->file.field) +
         length_of(r->file.name) + length_of(r->file.content_type);
}

static void drop_oldest (Log *log) {
  size_t at = (log->next + log->capacity - log->count) % log->capacity;
  log->bytes -= size_of(log->ring[at]);
  record_release(log->ring[at]);
  log->ring[at] = NULL;
  log->count--;
}

/* Clients decide how large a request is, so the log is bounded in bytes as well
** as in number.  The last one always stays. */
void log_add (Log *log, Record *r) {
  size_t bytes = size_of(r);
  if (log->capacity == 0) {
    record_release(r);
    return;
  }
  pthread_mutex_lock(&log->mutex);
  while (log->count > 0 &&
         (log->count == log->capacity || log->bytes + bytes > log->most))
    drop_oldest(log);
  log->ring[log->next] = r;
  log->next = (log->next + 1) % log->capacity;
  log->count++;
  log->bytes += bytes;
  pthread_mutex_unlock(&log->mutex);
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
