/* Applies the mask to every channel of the mixture at its own rate. */

#include "engine/apply.h"

#include <math.h>
#include <string.h>

#include <libavutil/mem.h>

#include "engine/stft.h"

enum { GAINS = 4 }; /* along, across, the coherence's real and imaginary part */

struct Apply {
  Stft stft;
  int hop, rate, channels;
  int32_t low, high;           /* the range of a sample */
  int64_t frame;               /* the next, on this grid */
  float *gain[GAINS];          /* the mask for one frame, N / 2 + 1 each */
  AVComplexFloat *spectrum[2]; /* of two channels */
  float *input[MAX_CHANNELS];  /* the newest N samples, in integer units */
  float *output[MAX_CHANNELS]; /* overlap-add of the foreground */
};

/* The power of two that lasts nearest to what GRID_N lasts at 44.1 kHz. */
static int window_size (int rate) {
  double ideal = (double)GRID_N * rate / GRID_RATE;
  return 1 << (int)lrint(log2(ideal));
}

static int open_buffers (Apply *a) {
  size_t n = (size_t)a->stft.size, bins = n / 2 + 1;
  int missing = 0;
  for (int i = 0; i < GAINS; i++) {
    a->gain[i] = av_calloc(bins, sizeof(float));
    missing |= a->gain[i] == NULL;
  }
  for (int c = 0; c < 2; c++) {
    a->spectrum[c] = av_calloc(bins, sizeof *a->spectrum[c]);
    missing |= a->spectrum[c] == NULL;
  }
  for (int c = 0; c < a->channels; c++) {
    a->input[c] = av_calloc(n, sizeof(float));
    a->output[c] = av_calloc(n, sizeof(float));
    missing |= a->input[c] == NULL || a->output[c] == NULL;
  }
  return missing ? -1 : 0;
}

Apply *apply_open (const Format *format, Fault *fault) {
  int size = window_size(format->rate);
  Apply *a = av_mallocz(sizeof *a);
  if (a != NULL) {
    a->hop = size / 4;
    a->rate = format->rate;
    a->channels = format->channels;
    a->high = format->bits == 16 ? INT16_MAX : (1 << 23) - 1;
    a->low = -a->high - 1;
    if (stft_init(&a->stft, size) == 0 && open_buffers(a) == 0)
      return a;
  }
  apply_close(a);
  fault_memory(fault);
  return NULL;
}

void apply_close (Apply *a) {
  if (a == NULL)
    return;
  stft_free(&a->stft);
  for (int i = 0; i < GAINS; i++)
    av_freep(&a->gain[i]);
  for (int c = 0; c < 2; c++)
    av_freep(&a->spectrum[c]);
  for (int c = 0; c < MAX_CHANNELS; c++) {
    av_freep(&a->input[c]);
    av_freep(&a->output[c]);
  }
  av_free(a);
}

int apply_hop (const Apply *a) {
  return a->hop;
}

int apply_delay (const Apply *a) {
  return a->stft.size - a->hop;
}

/* Where the centre of the next frame lies on the mask's grid, in frames.  At
** 44.1 kHz this is exactly a->frame. */
static double mask_time (const Apply *a) {
  double centre = (double)(a->frame + 1) * a->hop - a->stft.size / 2.0;
  double scaled = centre * GRID_RATE / ((double)a->rate * GRID_HOP);
  return scaled - 1 + GRID_N / 2.0 / GRID_HOP;
}

int64_t apply_needs (const Apply *a) {
  double time = mask_time(a);
  return time < 0 ? 0 : (int64_t)ceil(time);
}

static const float *mask_row (const Segment *mask, int64_t frame) {
  if (frame > mask->end - 1)
    frame = mask->end - 1;
  if (frame < mask->first)
    frame = mask->first;
  return mask->data + (size_t)(frame - mask->first) * GRID_ROW;
}

/* Above the mask's last bin it is what it is in the half kilohertz below. */
static float mean_end (const float *row) {
  enum { COUNT = 48 };
  float sum = 0;
  for (int k = GRID_BINS - COUNT; k < GRID_BINS; k++)
    sum += row[k];
  return sum / COUNT;
}

/* How many of the mask's bins one bin is wide. */
static double bin_step (const Apply *a) {
  return (double)a->rate * GRID_N / a->stft.size / GRID_RATE;
}

/* A plane of the mask for one frame: linear in time and in frequency. */
static void find_gain (const Apply *a, const float *early, const float *late,
                       float t, float *gain) {
  double step = bin_step(a);
  float beyond = mean_end(early) + t * (mean_end(late) - mean_end(early));
  for (int k = 0; k <= a->stft.size / 2; k++) {
    double place = k * step;
    int low = (int)place;
    float f = (float)(place - low);
    if (low + 1 >= GRID_BINS) {
      gain[k] = beyond;
      continue;
    }
    float at = early[low] + t * (late[low] - early[low]);
    float above = early[low + 1] + t * (late[low + 1] - early[low + 1]);
    gain[k] = at + f * (above - at);
  }
}

/* What is too low to be heard belongs to the background: the offset of a cheap
** converter would come and go with the words. */
static void drop_unheard (const Apply *a, float *gain) {
  enum { HEARD = 2 }; /* the first of the mask's bins, at 22 Hz */
  double step = bin_step(a);
  for (int k = 0; k <= a->stft.size / 2 && k * step < HEARD; k++)
    gain[k] = 0;
}

static void find_shares (const Apply *a, const Segment *mask, int planes) {
  double time = mask_time(a), whole = floor(time);
  const float *early = mask_row(mask, (int64_t)whole);
  const float *late = mask_row(mask, (int64_t)whole + 1);
  for (int i = 0; i < planes; i++) {
    find_gain(a, early + i * GRID_BINS, late + i * GRID_BINS,
              (float)(time - whole), a->gain[i]);
    drop_unheard(a, a->gain[i]);
  }
}

static const float *coherence_row (const Segment *mask, int64_t frame) {
  if (frame > mask->end - 1)
    frame = mask->end - 1;
  if (frame < mask->first)
    frame = mask->first;
  return mask->coherence + (size_t)segment_block(mask, frame) * 2 * GRID_BINS;
}

/* A row holds in the middle of its block. */
static void find_coherence (const Apply *a, const Segment *mask) {
  double time = mask_time(a) - (SEGMENT_BLOCK - 1) / 2.0;
  double block = floor(time / SEGMENT_BLOCK);
  int64_t frame = (int64_t)block * SEGMENT_BLOCK;
  const float *early = coherence_row(mask, frame);
  const float *late = coherence_row(mask, frame + SEGMENT_BLOCK);
  for (int i = 0; i < 2; i++)
    find_gain(a, early + i * GRID_BINS, late + i * GRID_BINS,
              (float)(time / SEGMENT_BLOCK - block), a->gain[2 + i]);
}

static void take_input (Apply *a, int c, const int32_t *in) {
  size_t kept = (size_t)(a->stft.size - a->hop);
  memmove(a->input[c], a->input[c] + a->hop, kept * sizeof(float));
  for (int i = 0; i < a->hop; i++)
    a->input[c][kept + (size_t)i] = (float)in[i * a->channels + c];
}

static void filter (Apply *a, int c) {
  AVComplexFloat *x = a->stft.spectrum;
  stft_forward(&a->stft, a->input[c], 1);
  for (int k = 0; k <= a->stft.size / 2; k++) {
    x[k].re *= a->gain[0][k];
    x[k].im *= a->gain[0][k];
  }
  stft_inverse_add(&a->stft, a->output[c]);
}

static float size_of (AVComplexFloat x) {
  return sqrtf(x.re * x.re + x.im * x.im) + 1e-3F;
}

/* x - factor * coherence * y, or by the coherence's conjugate. */
static AVComplexFloat less (AVComplexFloat x, AVComplexFloat coherence,
                            float factor, AVComplexFloat y) {
  x.re -= factor * (coherence.re * y.re - coherence.im * y.im);
  x.im -= factor * (coherence.re * y.im + coherence.im * y.re);
  return x;
}

/* One bin of the foreground, along the lead and across it.  Of each direction,
** the background there is as loud as its share of the mixture is, and the
** background has the coherence 'h'; the foreground has none. */
static void filter_bin (AVComplexFloat *along, AVComplexFloat *across,
                        float share_along, float share_across,
                        AVComplexFloat h) {
  float rest = sqrtf((1 - share_along) * (1 - share_across));
  float ratio = size_of(*along) / size_of(*across);
  h.re *= rest;
  h.im *= rest;
  float scale = 1 / (1 - (h.re * h.re + h.im * h.im));
  AVComplexFloat conjugate = {h.re, -h.im};
  AVComplexFloat x = less(*along, h, ratio, *across);
  AVComplexFloat y = less(*across, conjugate, 1 / ratio, *along);
  share_along *= scale;
  share_across *= scale;
  *along = (AVComplexFloat){share_along * x.re, share_along * x.im};
  *across = (AVComplexFloat){share_across * y.re, share_across * y.im};
}

static void filter_both (Apply *a, float c, float s) {
  for (int k = 0; k <= a->stft.size / 2; k++) {
    AVComplexFloat l = a->spectrum[0][k], r = a->spectrum[1][k];
    AVComplexFloat along = {c * l.re + s * r.re, c * l.im + s * r.im};
    AVComplexFloat across = {c * r.re - s * l.re, c * r.im - s * l.im};
    AVComplexFloat h = {a->gain[2][k], a->gain[3][k]};
    filter_bin(&along, &across, a->gain[0][k], a->gain[1][k], h);
    a->spectrum[0][k] = (AVComplexFloat){c * along.re - s * across.re,
                                         c * along.im - s * across.im};
    a->spectrum[1][k] = (AVComplexFloat){s * along.re + c * across.re,
                                         s * along.im + c * across.im};
  }
}

static void filter_two (Apply *a, const Segment *mask) {
  size_t size = (size_t)(a->stft.size / 2 + 1) * sizeof *a->stft.spectrum;
  find_shares(a, mask, 2);
  find_coherence(a, mask);
  for (int c = 0; c < 2; c++) {
    stft_forward(&a->stft, a->input[c], 1);
    memcpy(a->spectrum[c], a->stft.spectrum, size);
  }
  filter_both(a, mask->cosine, mask->sine);
  for (int c = 0; c < 2; c++) {
    memcpy(a->stft.spectrum, a->spectrum[c], size);
    stft_inverse_add(&a->stft, a->output[c]);
  }
}

/* All channels get the same, be it one or more than two. */
static void filter_alike (Apply *a, const Segment *mask) {
  find_shares(a, mask, 1);
  for (int c = 0; c < a->channels; c++)
    filter(a, c);
}

/* Both stems must fit the range, or they could not sum to the mixture.  A
** float holds every 24-bit integer, so the mixture comes back exactly. */
static void give_output (Apply *a, int c, int32_t *foreground,
                         int32_t *background) {
  size_t kept = (size_t)(a->stft.size - a->hop);
  for (int i = 0; i < a->hop; i++) {
    int32_t mixture = (int32_t)a->input[c][i];
    int32_t low = mixture >= 0 ? mixture - a->high : a->low;
    int32_t high = mixture < 0 ? mixture - a->low : a->high;
    long rounded = lrintf(a->output[c][i]);
    int32_t f = rounded < low ? low : rounded > high ? high : (int32_t)rounded;
    foreground[i * a->channels + c] = f;
    background[i * a->channels + c] = mixture - f;
  }
  memmove(a->output[c], a->output[c] + a->hop, kept * sizeof(float));
  memset(a->output[c] + kept, 0, (size_t)a->hop * sizeof(float));
}

void apply_step (Apply *a, const Segment *mask, const int32_t *in,
                 int32_t *foreground, int32_t *background) {
  for (int c = 0; c < a->channels; c++)
    take_input(a, c, in);
  if (a->channels == 2)
    filter_two(a, mask);
  else
    filter_alike(a, mask);
  for (int c = 0; c < a->channels; c++)
    give_output(a, c, foreground, background);
  a->frame++;
}
