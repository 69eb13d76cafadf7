/* Frames in a row, without a container around them: AAC in ADTS (ISO/IEC
** 13818-7), where each says how long it is, and MP3 (ISO/IEC 11172-3 and 13818-3,
** Layer III), where the length follows from the header.  The first one of an MP3
** may hold no sound but the numbers of frames and bytes ("Xing", or "Info" where
** the bit rate is constant). */

#include "container_private.h"

/* Behind the last frame there may be tags, or zeros. */
static bool is_trailer (const unsigned char *head, size_t size) {
  static const char *const tags[] = {"APETAGEX", "ID3", "LYRICSBEGIN"};
  size_t zeros = 0;
  for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
    size_t n = strlen(tags[i]) < size ? strlen(tags[i]) : size;
    if (n >= 3 && memcmp(head, tags[i], n) == 0)
      return true;
  }
  while (zeros < size && head[zeros] == 0)
    zeros++;
  return zeros == size;
}

/* 'head' holds no frame: skip an ID3v1 tag, whose length is known, then take
** 'n' bytes; stop at other tags. */
static void end_frames (Container *c, size_t n) {
  if (c->samples > 0 && head_is(c, 0, "TAG"))
    next_head(c, 128 - c->have, n);
  else if (c->samples > 0 && is_trailer(c->head, c->have))
    c->ended = true;
  else
    c->broken = true;
}

enum { ADTS_HEADER = 7, ADTS_SAMPLES = 1024 };

static void step_adts (Container *c) {
  static const uint32_t rates[16] = {96000, 88200, 64000, 48000, 44100,
                                     32000, 24000, 22050, 16000, 12000,
                                     11025, 8000,  7350};
  const unsigned char *h = c->head;
  size_t length;
  if (c->have < ADTS_HEADER) {
    grow_head(c, ADTS_HEADER);
    return;
  }
  length = (size_t)(h[3] & 3) << 11 | (size_t)h[4] << 3 | h[5] >> 5;
  if (h[0] == 0xFF && (h[1] & 0xF6) == 0xF0 && length >= ADTS_HEADER &&
      rates[h[2] >> 2 & 15] != 0) {
    c->rate = rates[h[2] >> 2 & 15];
    c->samples += ADTS_SAMPLES * ((h[6] & 3) + 1u);
    next_head(c, length - ADTS_HEADER, ADTS_HEADER);
  } else {
    end_frames(c, ADTS_HEADER);
  }
}

static bool is_whole_adts (const Container *c) {
  return c->samples > 0 && (c->ended || is_trailer(c->head, c->have));
}

const Reader container_adts = {step_adts, NULL, is_whole_adts};

enum { MP3_HEADER = 4, MP3_FIRST = 64, BEGIN = 0, FRAMES };

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
  if (first && c->have < MP3_FIRST && f->length >= MP3_FIRST) {
    grow_head(c, MP3_FIRST);
    return;
  }
  if (first)
    c->of.frames.begin = c->at;
  c->rate = f->rate;
  if (!first || !read_numbers(c, f))
    c->samples += f->samples;
  c->stage = FRAMES;
  next_head(c, f->length - c->have, MP3_HEADER);
}

static void step_mp3 (Container *c) {
  Frame f = read_frame(c->head);
  if (f.length >= MP3_HEADER)
    take_frame(c, &f);
  else
    end_frames(c, MP3_HEADER);
}

/* Some programs count the frame with the numbers, too. */
static bool is_whole_mp3 (const Container *c) {
  uint64_t frames = c->samples / (c->rate >= 32000 ? 1152 : 576);
  if (c->samples == 0 || !(c->ended || is_trailer(c->head, c->have)))
    return false;
  if (c->of.frames.bytes != 0)
    return c->at - c->of.frames.begin >= c->of.frames.bytes;
  return frames + 1 >= c->stated;
}

const Reader container_mp3 = {step_mp3, NULL, is_whole_mp3};
