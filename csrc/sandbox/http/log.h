/* What arrived: a ring of the last requests.  A Record is filled in by one
** thread while its request is under way; once added it never changes, so
** readers hold references instead of locks. */

#ifndef CAMB_SANDBOX_HTTP_LOG_H
#define CAMB_SANDBOX_HTTP_LOG_H

#include <stdatomic.h>
#include <stdint.h>

#include "sandbox/http/name_values.h"
#include "sandbox/http/secret.h"

typedef struct RecordFile {
  char *field, *name, *content_type; /* the last may be NULL */
  int64_t size;
  char sha256[DIGEST_HEX];
} RecordFile;

typedef struct Record {
  atomic_int references;
  const char *listener; /* "api" or "stem", static */
  double time;          /* seconds since 1970, when its first line came */
  char *method, *path, *query; /* query is NULL if there is none */
  NameValues headers, fields;
  RecordFile file; /* file.field is NULL when no file came whole */
  uint64_t body_bytes;
  int status; /* 0: no reply was given */
} Record;

typedef struct Log Log;

/* An empty record with one reference.  NULL on out of memory. */
Record *record_new (const char *listener);

/* Give up one reference.  NULL is fine. */
void record_release (Record *r);

/* A log that keeps the last 'capacity' records, fewer if they are large.  NULL
** on out of memory. */
Log *log_new (size_t capacity);

/* Take over the caller's reference; the oldest record may have to go. */
void log_add (Log *log, Record *r);

/* The records kept, oldest first, in a fresh array of '*count' elements, each
** with a reference of its own.  NULL when out of memory. */
Record **log_records (Log *log, size_t *count);

/* Release what log_records returned.  NULL is fine. */
void log_release (Record **records, size_t count);

/* Forget all records and free the log.  NULL is fine. */
void log_free (Log *log);

#endif
