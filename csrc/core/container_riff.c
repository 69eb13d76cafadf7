/* WAV: chunks within RIFF, or within RF64 and BW64, which say their sizes in a
** chunk of their own (EBU Tech 3306). */

#include "container_private.h"

enum { FORM, CHUNK, WIDE, FORMAT, PADDING };
enum { WIDE_BYTES = 24, FORMAT_CHUNK_BYTES = 16 };

/* Written by programs that cannot know the size, as they write to a pipe. */
#define UNKNOWN_SIZE 0x7FFFF000u
/* Programs differ about what is counted. */
#define SLACK 8

static bool is_known (uint64_t size) {
  return size != 0 && size < UNKNOWN_SIZE;
}

/* Skip the rest of a chunk of 'size', of which 'seen' bytes are there.  Chunks
** are padded to an even size, except the last one of some programs. */
static void end_chunk (Container *c, uint64_t size, uint64_t seen) {
  c->stage = size % 2 != 0 ? PADDING : CHUNK;
  next_head(c, size - seen, size % 2 != 0 ? 1 : 8);
}

static void begin_form (Container *c) {
  uint64_t size = little(c->head + 4, 4);
  c->of.riff.end = is_known(size) ? c->at + 8 + size : 0;
  next_head(c, 0, 8);
  c->stage = CHUNK;
}

static void read_wide (Container *c) {
  uint64_t size = little(c->head + 4, 4);
  c->of.riff.end = little(c->head + 8, 8) + 8;
  c->of.riff.data = little(c->head + 16, 8);
  end_chunk(c, size, WIDE_BYTES);
}

static void read_format (Container *c) {
  uint64_t size = little(c->head + 4, 4);
  c->rate = (uint32_t)little(c->head + 16, 4); /* bytes a second */
  end_chunk(c, size, FORMAT_CHUNK_BYTES);
}

static void begin_data (Container *c) {
  uint64_t size = little(c->head + 4, 4);
  if (c->of.riff.data != 0)
    size = c->of.riff.data;
  else if (!is_known(size))
    size = 0;
  c->of.riff.has_data = true;
  c->stated = size;
  c->samples = size;
  end_chunk(c, size, 0);
  c->scans = size == 0;
}

static void begin_chunk (Container *c) {
  uint64_t size = little(c->head + 4, 4);
  if (head_is(c, 0, "ds64") && size >= WIDE_BYTES) {
    grow_head(c, 8 + WIDE_BYTES);
    c->stage = WIDE;
  } else if (head_is(c, 0, "fmt ") && size >= FORMAT_CHUNK_BYTES) {
    grow_head(c, 8 + FORMAT_CHUNK_BYTES);
    c->stage = FORMAT;
  } else if (head_is(c, 0, "data") && !c->of.riff.has_data) {
    begin_data(c);
  } else {
    end_chunk(c, size, 0);
  }
}

static void step (Container *c) {
  if (c->stage == FORM && c->have < 12)
    grow_head(c, 12);
  else if (c->stage == FORM)
    begin_form(c);
  else if (c->stage == PADDING)
    end_chunk(c, 0, 0);
  else if (c->stage == WIDE)
    read_wide(c);
  else if (c->stage == FORMAT)
    read_format(c);
  else if (c->of.riff.end != 0 && c->at + SLACK >= c->of.riff.end)
    c->ended = true;
  else
    begin_chunk(c);
}

/* Data without a size goes to the end. */
static void scan (Container *c, const unsigned char *data, size_t size) {
  (void)data;
  c->samples += size;
  c->at += size;
}

static bool is_whole (const Container *c) {
  if (!c->of.riff.has_data)
    return false;
  return c->scans || c->ended || c->at + SLACK >= c->of.riff.end;
}

const Reader container_riff = {step, scan, is_whole};
