/* A run of bytes that grows up to a ceiling its owner sets, and no further. */

#ifndef CAMB_BUFFER_H
#define CAMB_BUFFER_H

#include <stddef.h>

typedef struct Buffer {
  char *data; /* not terminated; NULL while nothing was ever stored */
  size_t size;
  size_t capacity;
  size_t limit; /* bytes it may ever hold */
} Buffer;

/* Append 'size' bytes.  -1, and nothing appended, when that would pass the
** limit or there is no memory. */
int buffer_append (Buffer *b, const void *data, size_t size);

/* Drop the first 'size' bytes. */
void buffer_consume (Buffer *b, size_t size);

/* Give the memory back; the limit stays.  Safe on an empty buffer. */
void buffer_free (Buffer *b);

#endif
