/* AAC in ADTS (ISO/IEC 13818-7): each frame says how long it is. */

#include "container_private.h"

enum { HEADER = 7, SAMPLES = 1024 };

static void step (Container *c) {
  static const uint32_t rates[16] = {96000, 88200, 64000, 48000, 44100,
                                     32000, 24000, 22050, 16000, 12000,
                                     11025, 8000,  7350};
  const unsigned char *h = c->head;
  size_t length;
  if (c->have < HEADER) {
    grow_head(c, HEADER);
    return;
  }
  length = (size_t)(h[3] & 3) << 11 | (size_t)h[4] << 3 | h[5] >> 5;
  if (h[0] == 0xFF && (h[1] & 0xF6) == 0xF0 && length >= HEADER &&
      rates[h[2] >> 2 & 15] != 0) {
    c->rate = rates[h[2] >> 2 & 15];
    c->samples += SAMPLES * ((h[6] & 3) + 1u);
    next_head(c, length - HEADER, HEADER);
  } else {
    container_end_frames(c, HEADER);
  }
}

static bool is_whole (const Container *c) {
  return c->samples > 0 && (c->ended || container_is_trailer(c->head, c->have));
}

const Reader container_adts = {step, NULL, is_whole};
