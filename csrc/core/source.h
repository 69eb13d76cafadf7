/* Where an upload's bytes come from: a file, memory, or a reader that is fed
** from outside.  Each knows its size beforehand. */

#ifndef CAMB_SOURCE_H
#define CAMB_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "digest.h"

typedef struct Source {
  int fd;             /* of a file, else -1 */
  const char *memory; /* of bytes in memory, else NULL; not owned */
  bool fed;           /* a reader */
  Buffer queue;       /* bytes from a reader that were not sent yet */
  bool ended;         /* a reader has no more */
  int64_t size;
  int64_t at; /* bytes taken so far */
  int error;  /* errno of a read that failed */
  bool hashed;
  bool changed;              /* it is not what was expected */
  Digest digest;             /* of the bytes taken so far */
  char expected[DIGEST_HEX]; /* "": whatever it is */
  char sum[DIGEST_HEX];      /* once the last byte was taken; "" before */
} Source;

enum { SOURCE_WAIT = -1, SOURCE_BROKEN = -2 };

/* Hash what is taken, from the first byte on.  The last bytes are given only if
** the SHA-256 of all is 'expected', in digits; NULL: always. */
void source_hash (Source *s, const char *expected);

/* Open the file at 'path'; -1 with errno set. */
int source_open_file (Source *s, const char *path);

/* 'size' bytes that stay where they are as long as the source is open. */
void source_open_memory (Source *s, const char *data, int64_t size);

/* A reader that will be fed 'size' bytes. */
void source_open_reader (Source *s, int64_t size);

/* Take up to 'room' bytes: how many, 0 at the end, SOURCE_WAIT when a reader
** has to be fed first, SOURCE_BROKEN when the bytes end before 'size' or are not
** what was expected. */
int64_t source_read (Source *s, char *out, size_t room);

/* Back to the first byte; false when a reader's bytes are gone already. */
bool source_rewind (Source *s);

/* True while source_rewind would succeed. */
bool source_can_rewind (const Source *s);

/* Close and free what it holds; safe when nothing is. */
void source_close (Source *s);

#endif
