/* Ogg (RFC 3533): pages, of which each stream's first and last are marked. */

#include "container_private.h"

enum { PAGE, LACING, BODY };
enum { HEADER = 27, ID_BYTES = 16 };
enum { IS_FIRST = 2, IS_LAST = 4 };

static void begin_page (Container *c) {
  const unsigned char *h = c->head;
  uint64_t granule = little(h + 6, 8);
  if (!head_is(c, 0, "OggS")) {
    c->broken = true;
    return;
  }
  if (granule != UINT64_MAX && granule != 0)
    c->samples = granule;
  c->of.ogg.first += (h[5] & IS_FIRST) != 0;
  c->of.ogg.last += (h[5] & IS_LAST) != 0;
  c->of.ogg.length = (h[5] & IS_FIRST) != 0; /* the id is wanted */
  c->stage = h[26] != 0 ? LACING : PAGE;
  next_head(c, 0, h[26] != 0 ? h[26] : HEADER);
}

static void begin_body (Container *c) {
  uint32_t length = 0;
  bool has_id = c->of.ogg.length != 0;
  for (size_t i = 0; i < c->have; i++)
    length += c->head[i];
  c->of.ogg.length = length;
  if (has_id && length >= ID_BYTES) {
    next_head(c, 0, ID_BYTES);
    c->stage = BODY;
  } else {
    next_head(c, length, HEADER);
    c->stage = PAGE;
  }
}

static void read_id (Container *c) {
  if (head_is(c, 0, "\1vorbis"))
    c->rate = (uint32_t)little(c->head + 12, 4);
  else if (head_is(c, 0, "OpusHead"))
    c->rate = 48000;
  next_head(c, c->of.ogg.length - ID_BYTES, HEADER);
  c->stage = PAGE;
}

static void step (Container *c) {
  if (c->stage == PAGE && c->have < HEADER)
    grow_head(c, HEADER);
  else if (c->stage == PAGE)
    begin_page(c);
  else if (c->stage == LACING)
    begin_body(c);
  else
    read_id(c);
}

static bool is_whole (const Container *c) {
  return c->have == 0 && c->stage == PAGE && c->of.ogg.first > 0 &&
         c->of.ogg.last >= c->of.ogg.first;
}

const Reader container_ogg = {step, NULL, is_whole};
