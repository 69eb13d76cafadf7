/* Where an upload's bytes come from: a file, memory, or a reader that is fed
** from outside.  Each knows its size beforehand. */

#ifndef CAMB_SOURCE_H
#define CAMB_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

typedef struct Source {
  int fd;       /* of a file, else -1 */
  char *memory; /* of bytes in memory, else NULL */
  bool fed;     /* a reader */
  Buffer queue; /* what a reader gave and nobody took */
  bool ended;   /* a reader has no more */
  int64_t size;
  int64_t at; /* bytes taken so far */
  int error;  /* errno of a read that failed */
} Source;

enum { SOURCE_WAIT = -1, SOURCE_BROKEN = -2 };

/* Open the file at 'path'; -1 with errno set. */
int source_open_file (Source *s, const char *path);

/* A copy of 'size' bytes; -1 when there is no memory. */
int source_open_memory (Source *s, const char *data, int64_t size);

/* A reader that will be fed 'size' bytes. */
void source_open_reader (Source *s, int64_t size);

/* Take up to 'room' bytes: how many, 0 at the end, SOURCE_WAIT when a reader
** has to be fed first, SOURCE_BROKEN when the bytes end before 'size'. */
int64_t source_read (Source *s, char *out, size_t room);

/* Back to the first byte; false when a reader's bytes are gone already. */
bool source_rewind (Source *s);

/* True while source_rewind would succeed. */
bool source_can_rewind (const Source *s);

/* Close and free what it holds; safe when nothing is. */
void source_close (Source *s);

#endif
