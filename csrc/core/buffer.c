/* A bounded, growing buffer. */

#include "buffer.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 256

static int reserve (Buffer *b, size_t size) {
  size_t capacity = b->capacity != 0 ? b->capacity : FIRST_CAPACITY;
  char *data;
  if (size <= b->capacity)
    return 0;
  while (capacity < size)
    capacity *= 2;
  data = realloc(b->data, capacity);
  if (data == NULL)
    return -1;
  b->data = data;
  b->capacity = capacity;
  return 0;
}

int buffer_append (Buffer *b, const void *data, size_t size) {
  if (size > b->limit - b->size || reserve(b, b->size + size) != 0)
    return -1;
  if (size != 0)
    memcpy(b->data + b->size, data, size);
  b->size += size;
  return 0;
}

void buffer_consume (Buffer *b, size_t size) {
  b->size -= size;
  if (b->size != 0)
    memmove(b->data, b->data + size, b->size);
}

void buffer_free (Buffer *b) {
  free(b->data);
  b->data = NULL;
  b->size = b->capacity = 0;
}
