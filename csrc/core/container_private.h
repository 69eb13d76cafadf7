/* What the readers of containers share. */

#ifndef CAMB_CONTAINER_PRIVATE_H
#define CAMB_CONTAINER_PRIVATE_H

#include <string.h>

#include "container.h"

extern const Reader container_flac, container_riff, container_adts,
  container_mp3, container_boxes, container_ogg;

/* Let 'head' grow to 'n' bytes before the next step. */
static inline void grow_head (Container *c, size_t n) {
  c->need = n;
}

/* Done with 'head': pass over 'skip' bytes, then take 'n' for the next step. */
static inline void next_head (Container *c, uint64_t skip, size_t n) {
  c->at += c->have;
  c->have = 0;
  c->skip = skip;
  c->need = n;
}

static inline bool head_is (const Container *c, size_t at, const char *magic) {
  size_t n = strlen(magic);
  return c->have >= at + n && memcmp(c->head + at, magic, n) == 0;
}

static inline uint64_t big (const unsigned char *p, int n) {
  uint64_t value = 0;
  for (int i = 0; i < n; i++)
    value = value << 8 | p[i];
  return value;
}

static inline uint64_t little (const unsigned char *p, int n) {
  uint64_t value = 0;
  while (n-- > 0)
    value = value << 8 | p[n];
  return value;
}

#endif
