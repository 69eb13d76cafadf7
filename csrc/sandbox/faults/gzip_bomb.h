/* Gzip bombs: small files that inflate to large ones. */

#ifndef CAMB_SANDBOX_FAULTS_GZIP_BOMB_H
#define CAMB_SANDBOX_FAULTS_GZIP_BOMB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOMB_HEAD 10
#define BOMB_PART 4096

/* 'head', then 'unit' 'count' times, then 'tail' are a gzip file. */
typedef struct GzipBomb {
  unsigned char head[BOMB_HEAD], unit[BOMB_PART], tail[BOMB_PART];
  size_t unit_length, tail_length;
  uint64_t count;
} GzipBomb;

/* Of 'size' spaces.  False on out of memory. */
bool gzip_bomb_make (GzipBomb *b, uint64_t size);

#endif
