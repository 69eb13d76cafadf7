/* Spaces, deflated by the mebibyte. */

#include "sandbox/faults/gzip_bomb.h"

#include <string.h>

#include <zlib.h>

#define UNIT (1024 * 1024)
#define STEP 32768 /* divides UNIT */

/* 'size' spaces, ended by 'flush'; continues '*crc'.  0 on failure. */
static size_t deflate_spaces (unsigned char out[BOMB_PART], size_t size,
                              int flush, unsigned long *crc) {
  unsigned char spaces[STEP];
  z_stream z = {.next_out = out, .avail_out = BOMB_PART - 8};
  size_t length;
  if (deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return 0;
  memset(spaces, ' ', sizeof spaces);
  for (size_t left = size; left > 0;) {
    z.next_in = spaces;
    z.avail_in = (unsigned)(left < STEP ? left : STEP);
    *crc = crc32(*crc, spaces, z.avail_in);
    left -= z.avail_in;
    deflate(&z, Z_NO_FLUSH);
  }
  deflate(&z, flush);
  length = BOMB_PART - 8 - z.avail_out;
  deflateEnd(&z);
  return length;
}

static void put32 (unsigned char *out, uint64_t value) {
  for (int i = 0; i < 4; i++)
    out[i] = (unsigned char)(value >> 8 * i);
}

/* After a full flush nothing refers to what was before, so the same bytes may
** be repeated. */
bool gzip_bomb_make (GzipBomb *b, uint64_t size) {
  static const unsigned char head[BOMB_HEAD] = {31, 139, 8, [9] = 255};
  unsigned long of_unit = crc32(0, NULL, 0), crc = of_unit, rest = of_unit;
  memcpy(b->head, head, sizeof head);
  b->count = size / UNIT;
  b->unit_length = deflate_spaces(b->unit, UNIT, Z_FULL_FLUSH, &of_unit);
  b->tail_length = deflate_spaces(b->tail, size % UNIT, Z_FINISH, &rest);
  if (b->unit_length == 0 || b->tail_length == 0)
    return false;
  for (uint64_t i = 0; i < b->count; i++)
    crc = crc32_combine(crc, of_unit, UNIT);
  crc = crc32_combine(crc, rest, (z_off_t)(size % UNIT));
  put32(b->tail + b->tail_length, crc);
  put32(b->tail + b->tail_length + 4, size);
  b->tail_length += 8;
  return true;
}
