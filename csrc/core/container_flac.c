/* FLAC (RFC 9639): metadata blocks, then frames.  A frame ends where the
** checksum over all of it becomes zero and the next one's header follows, with
** the number that is next and a checksum of its own. */

#include "container_private.h"

enum { MAGIC, BLOCK, STREAMINFO };
enum { LONGEST_HEADER = 16, STREAMINFO_BYTES = 34 };

static uint16_t crc16_of (unsigned byte) {
  uint16_t crc = (uint16_t)(byte << 8);
  for (int i = 0; i < 8; i++)
    crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x8005 : crc << 1);
  return crc;
}

static const uint16_t *crc16_table (void) {
  static _Thread_local uint16_t table[256];
  if (table[1] == 0)
    for (unsigned byte = 0; byte < 256; byte++)
      table[byte] = crc16_of(byte);
  return table;
}

static unsigned crc8 (const unsigned char *data, size_t size) {
  unsigned crc = 0;
  for (size_t i = 0; i < size; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++)
      crc = (crc & 0x80 ? crc << 1 ^ 0x07 : crc << 1) & 0xFF;
  }
  return crc;
}

/* Bytes of the number whose first byte this is, coded like UTF-8; 0: none. */
static size_t number_size (unsigned first) {
  size_t n = 0;
  while (n < 8 && (first & 0x80u >> n) != 0)
    n++;
  return n == 0 ? 1 : n == 1 || n == 8 ? 0 : n;
}

static uint64_t number_of (const unsigned char *p, size_t size) {
  uint64_t number = size == 1 ? *p : *p & (0x7Fu >> size);
  for (size_t i = 1; i < size; i++)
    number = number << 6 | (p[i] & 0x3F);
  return number;
}

static size_t extra_size (unsigned code, unsigned one, unsigned two,
                          unsigned three) {
  return code == one ? 1 : code == two || code == three ? 2 : 0;
}

/* Of the header in 'head', as far as it goes; 0: it is none. */
static size_t header_size (const Container *c) {
  const unsigned char *h = c->head;
  size_t number = c->have > 4 ? number_size(h[4]) : 1;
  if (c->have > 1 && (h[1] & 0xFE) != 0xF8)
    return 0;
  if (c->have > 2 && (h[2] >> 4 == 0 || (h[2] & 15) == 15))
    return 0;
  if (c->have > 3 && (h[3] >> 4 > 10 || (h[3] & 1) != 0))
    return 0;
  if (c->have <= 4)
    return LONGEST_HEADER;
  return number == 0 ? 0
                     : 4 + number + extra_size(h[2] >> 4, 6, 7, 7) +
                         extra_size(h[2] & 15, 12, 13, 14) + 1;
}

static uint64_t block_size (const unsigned char *h, size_t number) {
  unsigned code = h[2] >> 4;
  if (code == 1)
    return 192;
  if (code < 6)
    return 576u << (code - 2);
  if (code == 6)
    return (uint64_t)h[4 + number] + 1;
  return code == 7 ? big(h + 4 + number, 2) + 1 : 256u << (code - 8);
}

/* The header in 'head' is complete: take note of its frame, if it is the next
** one. */
static void begin_frame (Container *c) {
  const unsigned char *h = c->head;
  size_t number = number_size(h[4]);
  uint64_t count = number_of(h + 4, number);
  uint64_t next = h[1] & 1 ? c->samples : c->of.flac.frames;
  if (crc8(h, c->have - 1) != h[c->have - 1])
    return;
  if (c->of.flac.frames == 0)
    c->of.flac.first = count;
  else if (count != c->of.flac.first + next)
    return;
  c->of.flac.frames++;
  c->samples += block_size(h, number);
}

static void add_to_header (Container *c, unsigned char byte) {
  size_t size;
  c->head[c->have++] = byte;
  size = header_size(c);
  if (size == c->have)
    begin_frame(c);
  if (size <= c->have)
    c->have = 0;
}

/* What programs append after the last frame.  A checksum may be zero by chance:
** the frame was the last one only if all samples have begun and a tag's magic
** follows. */
static void add_to_tag (Container *c, unsigned char byte) {
  static const char id3[] = "TAG", ape[] = "APETAGEX";
  const char *magic = c->have == 0        ? byte == 'T' ? id3 : ape
                      : c->head[0] == 'T' ? id3
                                          : ape;
  c->head[c->have++] = byte;
  if (byte != (unsigned char)magic[c->have - 1])
    c->have = 0;
  else if (magic[c->have] == '\0')
    c->ended = true;
}

static bool begins_tag (const Container *c, unsigned char byte) {
  return c->stated != 0 && c->samples == c->stated &&
         (byte == 'T' || byte == 'A');
}

static void scan (Container *c, const unsigned char *data, size_t size) {
  const uint16_t *table = crc16_table();
  uint16_t crc = c->of.flac.crc;
  for (size_t i = 0; i < size && !c->ended; i++) {
    if (c->have > 0 ? c->head[0] == 0xFF : crc == 0 && data[i] == 0xFF)
      add_to_header(c, data[i]);
    else if (c->have > 0 || (crc == 0 && begins_tag(c, data[i])))
      add_to_tag(c, data[i]);
    crc = (uint16_t)(crc << 8 ^ table[crc >> 8 ^ data[i]]);
  }
  c->of.flac.crc = crc;
  c->at += size;
}

static void read_streaminfo (Container *c) {
  const unsigned char *p = c->head + 14;
  c->rate = (uint32_t)(big(p, 3) >> 4);
  c->stated = big(p + 3, 5) & 0xFFFFFFFFF;
}

/* Past the block whose header is in 'head', of which 'seen' bytes are there. */
static void end_block (Container *c, size_t seen) {
  uint64_t length = big(c->head + 1, 3);
  bool last = (c->head[0] & 0x80) != 0;
  next_head(c, length - seen, 4);
  c->scans = last && c->strict;
  c->ended = last && !c->strict;
  c->stage = BLOCK;
}

static void step (Container *c) {
  uint64_t length = c->stage == MAGIC ? 0 : big(c->head + 1, 3);
  if (c->stage == MAGIC) {
    next_head(c, 0, 4);
    c->stage = BLOCK;
  } else if (c->stage == BLOCK && (c->head[0] & 0x7F) == 0 &&
             length >= STREAMINFO_BYTES) {
    grow_head(c, 4 + STREAMINFO_BYTES);
    c->stage = STREAMINFO;
  } else if (c->stage == BLOCK) {
    end_block(c, 0);
  } else {
    read_streaminfo(c);
    end_block(c, STREAMINFO_BYTES);
  }
}

static bool is_whole (const Container *c) {
  if (c->ended)
    return true;
  return c->scans && c->have == 0 && c->of.flac.frames > 0 &&
         c->of.flac.crc == 0 && (c->stated == 0 || c->samples == c->stated);
}

const Reader container_flac = {step, scan, is_whole};
