/* Names and values in one block: two lengths, the name, the value. */

#include "sandbox/http/name_values.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct Head {
  uint32_t name, value;
} Head;

static bool reserve (NameValues *p, size_t more) {
  size_t size = p->size ? p->size : 512;
  char *bytes;
  while (size < p->used + more)
    size *= 2;
  if (size == p->size)
    return true;
  bytes = realloc(p->bytes, size);
  if (bytes == NULL)
    return false;
  p->bytes = bytes;
  p->size = size;
  return true;
}

bool name_values_add (NameValues *p, const char *name, size_t name_length,
                      const char *value, size_t length) {
  Head head = {(uint32_t)name_length, (uint32_t)length};
  size_t total = sizeof head + name_length + length + 2;
  char *at;
  if (length > UINT32_MAX / 2 || name_length > UINT32_MAX / 2 ||
      !reserve(p, total))
    return false;
  at = p->bytes + p->used;
  memcpy(at, &head, sizeof head);
  at += sizeof head;
  memcpy(at, name, name_length);
  at[name_length] = '\0';
  at += name_length + 1;
  if (length > 0)
    memcpy(at, value, length);
  at[length] = '\0';
  p->used += total;
  return true;
}

bool name_values_next (const NameValues *p, size_t *at, NameValue *out) {
  Head head;
  if (*at >= p->used)
    return false;
  memcpy(&head, p->bytes + *at, sizeof head);
  out->name = p->bytes + *at + sizeof head;
  out->name_length = head.name;
  out->value = out->name + head.name + 1;
  out->length = head.value;
  *at += sizeof head + head.name + head.value + 2;
  return true;
}

void name_values_clear (NameValues *p) {
  free(p->bytes);
  memset(p, 0, sizeof *p);
}
