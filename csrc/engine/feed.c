/* Cuts the mixture into segments. */

#include "engine/feed.h"

#include <string.h>

#include <libavutil/mem.h>
#include <libswresample/swresample.h>

/* A step is a tenth of a second; the resampler may hold some samples back
** and give more than that at once. */
enum { STEP = GRID_RATE / 10, SLACK = 4 * STEP };
enum { RING = SEGMENT_SAMPLES + SLACK };

struct Feed {
  SwrContext *resampler; /* NULL if the format fits already */
  float *scaled;         /* one step of input, interleaved */
  float *step[2];        /* one step of output */
  float *ring[2];        /* the newest RING samples at 44.1 kHz */
  int64_t count;         /* samples that went into the ring */
  int64_t index;         /* of the next segment */
  int channels;          /* 1 or 2 */
  int source_channels;
  int source_step;
  float scale; /* an integer sample times this is below 1 */
  int ended, finished;
};

static int start_resampler (Feed *f, AVChannelLayout from, int rate) {
  AVChannelLayout to;
  av_channel_layout_default(&to, f->channels);
  int code =
    swr_alloc_set_opts2(&f->resampler, &to, AV_SAMPLE_FMT_FLTP, GRID_RATE,
                        &from, AV_SAMPLE_FMT_FLT, rate, 0, NULL);
  code = code < 0 ? code : swr_init(f->resampler);
  if (code < 0)
    swr_free(&f->resampler);
  return code;
}

/* More than two channels go down to one, as their layout says; a layout without
** a known downmix counts as the usual one of its size. */
static int open_resampler (Feed *f, const Format *format, Fault *fault) {
  AVChannelLayout usual;
  if (format->rate == GRID_RATE && format->channels <= 2)
    return 0;
  av_channel_layout_default(&usual, format->channels);
  int code = -1;
  if (format->channels > 2)
    code = start_resampler(f, format->layout, format->rate);
  if (code < 0)
    code = start_resampler(f, usual, format->rate);
  if (code < 0)
    return fault_code(fault, FAULT_INTERNAL, "cannot resample", code);
  return 0;
}

static int open_buffers (Feed *f) {
  size_t in = (size_t)f->source_step * (size_t)f->source_channels;
  f->scaled = av_malloc_array(in, sizeof(float));
  int missing = f->scaled == NULL;
  for (int c = 0; c < f->channels; c++) {
    f->step[c] = av_malloc_array(SLACK, sizeof(float));
    f->ring[c] = av_malloc_array(RING, sizeof(float));
    missing |= f->step[c] == NULL || f->ring[c] == NULL;
  }
  return missing ? -1 : 0;
}

Feed *feed_open (const Format *format, Fault *fault) {
  Feed *f = av_mallocz(sizeof *f);
  if (f == NULL) {
    fault_memory(fault);
    return NULL;
  }
  f->source_channels = format->channels;
  f->source_step = format->rate / 10;
  f->channels = format->channels == 2 ? 2 : 1;
  f->scale = format->bits == 16 ? 1.0F / (1 << 15) : 1.0F / (1 << 23);
  int code = open_buffers(f) < 0 ? fault_memory(fault)
                                 : open_resampler(f, format, fault);
  if (code < 0) {
    feed_close(f);
    return NULL;
  }
  return f;
}

void feed_close (Feed *f) {
  if (f == NULL)
    return;
  swr_free(&f->resampler);
  av_freep(&f->scaled);
  for (int c = 0; c < 2; c++) {
    av_freep(&f->step[c]);
    av_freep(&f->ring[c]);
  }
  av_free(f);
}

int feed_step (const Feed *f) {
  return f->source_step;
}

static void append (Feed *f, int n) {
  int at = (int)(f->count % RING);
  int part = n < RING - at ? n : RING - at;
  for (int c = 0; c < f->channels; c++) {
    memcpy(f->ring[c] + at, f->step[c], (size_t)part * sizeof(float));
    memcpy(f->ring[c], f->step[c] + part, (size_t)(n - part) * sizeof(float));
  }
  f->count += n;
}

static int resample (Feed *f, int n, Fault *fault) {
  uint8_t *out[2] = {(uint8_t *)f->step[0], (uint8_t *)f->step[1]};
  const uint8_t *in = (const uint8_t *)f->scaled;
  int got = swr_convert(f->resampler, out, SLACK, n > 0 ? &in : NULL, n);
  if (got < 0)
    return fault_code(fault, FAULT_INTERNAL, "cannot resample", got);
  append(f, got);
  return 0;
}

static void split (Feed *f, int n) {
  for (int c = 0; c < f->channels; c++)
    for (int i = 0; i < n; i++)
      f->step[c][i] = f->scaled[i * f->channels + c];
  append(f, n);
}

int feed_add (Feed *f, const int32_t *samples, int n, Fault *fault) {
  for (int i = 0; i < n * f->source_channels; i++)
    f->scaled[i] = (float)samples[i] * f->scale;
  f->ended = n == 0;
  if (f->resampler != NULL)
    return resample(f, n, fault);
  split(f, n);
  return 0;
}

/* The frame after the next segment, if the mixture continues. */
static int64_t next_end (const Feed *f) {
  return (f->index + 1) * SEGMENT_CORE + SEGMENT_CONTEXT;
}

/* A segment with nothing after it is the last, so one more sample must have
** arrived before that can be ruled out. */
int feed_ready (const Feed *f) {
  return !f->finished && (f->ended || f->count > next_end(f) * GRID_HOP);
}

/* Samples [from, to) of the file, interleaved; beyond its two ends there is
** silence. */
static void copy_out (const Feed *f, int c, int64_t from, int64_t to,
                      float *out) {
  int64_t at = from < 0 ? 0 : from % RING;
  for (out += c; from < to; from++, out += f->channels) {
    *out = from < 0 || from >= f->count ? 0 : f->ring[c][at];
    if (from >= 0 && ++at == RING)
      at = 0;
  }
}

/* The last segment reaches back until it is as long as the others: a tail of a
** few frames would have no statistics of its own. */
void feed_take (Feed *f, Segment *s) {
  s->index = f->index;
  s->channels = f->channels;
  s->last = f->ended && f->count <= next_end(f) * GRID_HOP;
  s->end = s->last ? grid_frames(f->count) : next_end(f);
  s->first = s->last ? s->end - SEGMENT_FRAMES
                     : s->index * SEGMENT_CORE - SEGMENT_CONTEXT;
  if (s->first < 0)
    s->first = 0;
  for (int c = 0; c < s->channels; c++)
    copy_out(f, c, (s->first + 1) * GRID_HOP - GRID_N, s->end * GRID_HOP,
             segment_samples(s));
  f->finished = s->last;
  f->index++;
}
