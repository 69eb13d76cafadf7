/* MP3 (ISO/IEC 11172-3 and 13818-3, Layer III): the length of a frame follows
** from its header.  The first one may hold no sound but the numbers of frames
** and bytes ("Xing", or "Info" where the bit rate is constant). */

#include "container_private.h"

enum { HEADER = 4, FIRST = 64, BEGIN = 0, FRAMES };

typedef struct Frame {
  uint32_t rate, samples;
  size_t length;  /* 0: it is no frame, or says nothing of its length */
  size_t numbers; /* where they would be */
} Frame;

static Frame read_frame (const unsigned char *h) {
  static const uint16_t kbits[2][16] = {
    {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
    {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}};
  static const uint32_t rates[4] = {44100, 48000, 32000, 0};
  unsigned version = h[1] >> 3 & 3; /* 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5 */
  bool one = version == 3, mono = h[3] >> 6 == 3;
  Frame f = {0, one ? 1152 : 576, 0, one ? (mono ? 21 : 36) : (mono ? 13 : 21)};
  uint32_t kbit = kbits[one][h[2] >> 4];
  f.rate = rates[h[2] >> 2 & 3] >> (one ? 0 : version == 2 ? 1 : 2);
  if (h[0] != 0xFF || (h[1] & 0xE6) != 0xE2 || version == 1 || kbit == 0 ||
      f.rate == 0)
    return f;
  f.length = f.samples / 8 * kbit * 1000 / f.rate + (h[2] >> 1 & 1);
  return f;
}

static bool read_numbers (Container *c, const Frame *f) {
  const unsigned char *p = c->head + f->numbers;
  if (!head_is(c, f->numbers, "Xing") && !head_is(c, f->numbers, "Info"))
    return false;
  if ((p[7] & 1) != 0)
    c->stated = big(p + 8, 4);
  if ((p[7] & 2) != 0)
    c->of.frames.bytes = big(p + 8 + (p[7] & 1 ? 4 : 0), 4);
  return true;
}

static void take_frame (Container *c, const Frame *f) {
  bool first = c->stage == BEGIN;
  if (first && c->have < FIRST && f->length >= FIRST) {
    grow_head(c, FIRST);
    return;
  }
  if (first)
    c->of.frames.begin = c->at;
  c->rate = f->rate;
  if (!first || !read_numbers(c, f))
    c->samples += f->samples;
  c->stage = FRAMES;
  next_head(c, f->length - c->have, HEADER);
}

static void step (Container *c) {
  Frame f = read_frame(c->head);
  if (f.length >= HEADER) {
    take_frame(c, &f);
  } else {
    container_end_frames(c, HEADER);
  }
}

/* Some programs count the frame with the numbers, too. */
static bool is_whole (const Container *c) {
  uint64_t frames = c->samples / (c->rate >= 32000 ? 1152 : 576);
  if (c->samples == 0 || !(c->ended || container_is_trailer(c->head, c->have)))
    return false;
  if (c->of.frames.bytes != 0)
    return c->at - c->of.frames.begin >= c->of.frames.bytes;
  return frames + 1 >= c->stated;
}

const Reader container_mp3 = {step, NULL, is_whole};
