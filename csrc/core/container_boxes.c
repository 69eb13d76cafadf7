/* M4A and MP4 (ISO/IEC 14496-12): boxes in a row.  An index (moov) says how
** long it is; in a fragmented file each piece has its own (moof), and what says
** that there are no more is the last box (mfra). */

#include "container_private.h"

enum { BOX, MOVIE };
enum { MOVIE_BYTES = 32 }; /* of an mvhd, as far as the duration goes */

static void note_box (Container *c) {
  c->of.boxes.has_data |= head_is(c, 4, "mdat");
  c->of.boxes.has_fragments |= head_is(c, 4, "moof");
  c->of.boxes.has_end |= head_is(c, 4, "mfra");
}

/* Its boxes are read like the others. */
static void begin_index (Container *c, uint64_t size) {
  c->of.boxes.has_index = true;
  c->of.boxes.index_end = c->at + size;
  next_head(c, 0, 8);
}

static void begin_box (Container *c, uint64_t size) {
  if (size < c->have) { /* 0: to the end, wherever that is */
    c->broken = true;
  } else if (head_is(c, 4, "moov")) {
    begin_index(c, size);
  } else if (head_is(c, 4, "mvhd") && c->have == 8 && size >= 8 + MOVIE_BYTES) {
    grow_head(c, 8 + MOVIE_BYTES);
    c->stage = MOVIE;
  } else {
    note_box(c);
    next_head(c, size - c->have, 8);
  }
}

static void read_movie (Container *c) {
  const unsigned char *p = c->head + 8;
  bool wide = p[0] == 1;
  c->rate = (uint32_t)big(p + (wide ? 20 : 12), 4);
  c->samples = wide ? big(p + 24, 8) : big(p + 16, 4);
  c->stage = BOX;
  next_head(c, big(c->head, 4) - c->have, 8);
}

static void step (Container *c) {
  uint64_t size = big(c->head, 4);
  if (c->stage == MOVIE)
    read_movie(c);
  else if (c->have < 8)
    grow_head(c, 8);
  else if (size == 1 && c->have == 8)
    grow_head(c, 16);
  else
    begin_box(c, size == 1 ? big(c->head + 8, 8) : size);
}

static bool is_whole (const Container *c) {
  return c->have == 0 && c->of.boxes.has_index && c->of.boxes.has_data &&
         c->at >= c->of.boxes.index_end &&
         (!c->of.boxes.has_fragments || c->of.boxes.has_end);
}

const Reader container_boxes = {step, NULL, is_whole};
