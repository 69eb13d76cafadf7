/* What the headers say of a stem: validators, digest, type. */

#ifndef CAMB_SANDBOX_TASKS_STEMHEAD_H
#define CAMB_SANDBOX_TASKS_STEMHEAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <microhttpd.h>

#include "sandbox/http/date.h"
#include "sandbox/tasks/task.h"

typedef struct StemHead {
  uint64_t size;
  const char *type;         /* static */
  char etag[72];            /* strong, with its quotes */
  char modified[DATE_SIZE]; /* as Last-Modified has it */
  char digest[64];          /* as Repr-Digest has it; "" when not known */
} StemHead;

/* Fill 'h' from a stem's record and its file's status. */
void stemhead_make (StemHead *h, const Stem *stem, const struct stat *st);

/* Add the headers that every reply about the stem has. */
void stemhead_add (const StemHead *h, struct MHD_Response *response);

/* Whether an If-Range (NULL: none came) means this very file. */
bool stemhead_is_same (const StemHead *h, const char *if_range);

#endif
