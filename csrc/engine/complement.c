/* Checks the output of another separator, and makes two stems of it. */

#include <string.h>
#include <unistd.h>

#include <libavutil/mem.h>

#include "engine/encode.h"
#include "engine/engine.h"
#include "engine/source.h"

enum { STEP = 4096 }; /* samples that are worked on at a time */

/* Resamplers and padded formats are a little off in length. */
#define SLACK_SECONDS 0.1

/* A file that is read in pieces of any size. */
typedef struct Reader {
  Decoder *decoder;
  const int32_t *at;
  int left; /* samples at 'at', per channel; 0 at the end */
  int channels;
  int64_t count; /* samples taken, per channel */
} Reader;

typedef struct Complement {
  Reader mixture, estimate;
  Encoder *foreground, *background;
  int32_t *out[2]; /* STEP samples of each stem */
  int32_t low, high;
} Complement;

/* --- reading -------------------------------------------------------------- */

/* Returns 1, 0 at the end, -1 for a fault. */
static int fill (Reader *r, Fault *fault) {
  if (r->left == 0) {
    r->left = decoder_read(r->decoder, &r->at, fault);
    if (r->left < 0)
      return -1;
  }
  return r->left > 0;
}

static void take (Reader *r, int n) {
  r->at += (size_t)n * (size_t)r->channels;
  r->left -= n;
  r->count += n;
}

static int read_all (Reader *r, Fault *fault) {
  int got;
  while ((got = fill(r, fault)) > 0)
    take(r, r->left);
  return got;
}

static int open_reader (Reader *r, const char *path,
                        const EngineOptions *options, Fault *fault) {
  r->decoder = source_open(path, options, fault);
  if (r->decoder == NULL)
    return -1;
  r->channels = decoder_format(r->decoder)->channels;
  return 0;
}

/* --- one step ------------------------------------------------------------- */

/* Of channel 'c' of the mixture: an estimate in one channel counts for all of
** them, one in two as their mean for the only one. */
static int32_t estimate (const Complement *c, int i, int channel) {
  const Reader *e = &c->estimate;
  const int32_t *v = e->at + (size_t)i * (size_t)e->channels;
  if (e->left == 0)
    return 0;
  if (e->channels == c->mixture.channels)
    return v[channel];
  return e->channels == 1 ? v[0] : (int32_t)(((int64_t)v[0] + v[1]) / 2);
}

/* Both stems fit the range, or they could not sum to the mixture. */
static void split (Complement *c, int n) {
  int channels = c->mixture.channels;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < channels; k++) {
      int at = i * channels + k;
      int32_t rest = c->mixture.at[at] - estimate(c, i, k);
      rest = rest < c->low ? c->low : rest > c->high ? c->high : rest;
      c->out[0][at] = c->mixture.at[at] - rest;
      c->out[1][at] = rest;
    }
}

static int step (Complement *c, Fault *fault) {
  int n = c->mixture.left < STEP ? c->mixture.left : STEP;
  if (c->estimate.left > 0 && c->estimate.left < n)
    n = c->estimate.left;
  split(c, n);
  take(&c->mixture, n);
  if (c->estimate.left > 0)
    take(&c->estimate, n);
  if (encoder_write(c->foreground, c->out[0], n, fault) < 0)
    return -1;
  return encoder_write(c->background, c->out[1], n, fault);
}

/* --- the whole ------------------------------------------------------------ */

static int mismatch (const Complement *c, Fault *fault) {
  int rate = decoder_format(c->mixture.decoder)->rate;
  double there = (double)c->estimate.count / rate;
  double wanted = (double)c->mixture.count / rate;
  if (there - wanted <= SLACK_SECONDS && wanted - there <= SLACK_SECONDS)
    return 0;
  return fault_set(fault, FAULT_PROCESSING,
                   "they last %.3f seconds, the source %.3f", there, wanted);
}

static int run (Complement *c, Fault *fault) {
  int got;
  while ((got = fill(&c->mixture, fault)) > 0)
    if (fill(&c->estimate, fault) < 0 || step(c, fault) < 0)
      return -1;
  if (got < 0 || read_all(&c->estimate, fault) < 0 || mismatch(c, fault) < 0 ||
      encoder_finish(c->foreground, fault) < 0)
    return -1;
  return encoder_finish(c->background, fault);
}

static int fit (Complement *c, Fault *fault) {
  const Format *f = decoder_format(c->mixture.decoder);
  int from = c->estimate.channels, to = f->channels;
  if (from != to && from != 1 && !(from == 2 && to == 1))
    return fault_set(fault, FAULT_PROCESSING,
                     "they have %d channels, the source %d", from, to);
  decoder_convert(c->estimate.decoder, f->rate, f->bits);
  c->high = (1 << (f->bits - 1)) - 1;
  c->low = -c->high - 1;
  for (int i = 0; i < 2; i++)
    c->out[i] = av_malloc_array((size_t)STEP * (size_t)to, sizeof *c->out[i]);
  return c->out[0] && c->out[1] ? 0 : fault_memory(fault);
}

static void close_all (Complement *c) {
  decoder_close(c->mixture.decoder);
  decoder_close(c->estimate.decoder);
  encoder_close(c->foreground);
  encoder_close(c->background);
  av_free(c->out[0]);
  av_free(c->out[1]);
}

static int open_stems (Complement *c, const char *foreground,
                       const char *background, Fault *fault) {
  const Format *format = decoder_format(c->mixture.decoder);
  c->foreground = encoder_open(foreground, format, fault);
  if (c->foreground == NULL)
    return -1;
  c->background = encoder_open(background, format, fault);
  return c->background != NULL ? 0 : -1;
}

int engine_complement (const char *mixture, const char *estimate_path,
                       const char *foreground, const char *background,
                       const EngineOptions *options, EngineReport *report) {
  Complement c = {0};
  Fault fault = {0};
  int code = -1;
  options = source_options(options);
  EngineOptions unlimited = {.cancel = options->cancel};
  memset(report, 0, sizeof *report);
  if (open_reader(&c.mixture, mixture, options, &fault) == 0 &&
      open_reader(&c.estimate, estimate_path, &unlimited, &fault) == 0 &&
      fit(&c, &fault) == 0) {
    code = open_stems(&c, foreground, background, &fault);
    if (code == 0)
      code = run(&c, &fault);
    if (code == 0)
      source_describe(c.mixture.decoder, c.mixture.count, report);
    else {
      unlink(foreground);
      unlink(background);
    }
  }
  close_all(&c);
  return code < 0 ? source_fail(&fault, report) : 0;
}

int engine_check (const char *path, const EngineOptions *options,
                  EngineReport *report) {
  Reader r = {0};
  Fault fault = {0};
  int code = open_reader(&r, path, source_options(options), &fault);
  memset(report, 0, sizeof *report);
  if (code == 0)
    code = read_all(&r, &fault);
  if (code == 0)
    source_describe(r.decoder, r.count, report);
  decoder_close(r.decoder);
  return code < 0 ? source_fail(&fault, report) : 0;
}
