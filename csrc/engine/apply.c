/* Applies the mask to every channel of the mixture at its own rate. */

#include "engine/apply.h"

#include <math.h>
#include <string.h>

#include <libavutil/mem.h>

#include "engine/stft.h"

struct Apply {
  Stft stft;
  int hop, rate, channels;
  int32_t low, high;           /* the range of a sample */
  int64_t frame;               /* the next, on this grid */
  float *gain[GRID_PLANES];    /* the mask for one frame, N / 2 + 1 each */
  AVComplexFloat *first;       /* the spectrum of the first of two channels */
  float *input[MAX_CHANNELS];  /* the newest N samples, in integer units */
  float *output[MAX_CHANNELS]; /* overlap-add of the foreground */
};

/* The power of two that lasts nearest to what GRID_N lasts at 44.1 kHz. */
static int window_size (int rate) {
  double ideal = (double)GRID_N * rate / GRID_RATE;
  return 1 << (int)lrint(log2(ideal));
}

static int open_buffers (Apply *a) {
  size_t n = (size_t)a->stft.size;
  a->first = av_calloc(n / 2 + 1, sizeof *a->first);
  int missing = a->first == NULL;
  for (int i = 0; i < GRID_PLANES; i++) {
    a->gain[i] = av_calloc(n / 2 + 1, sizeof(float));
    missing |= a->gain[i] == NULL;
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
  av_freep(&a->first);
  for (int i = 0; i < GRID_PLANES; i++)
    av_freep(&a->gain[i]);
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

/* Linear in time and in frequency. */
static void interpolate (const float *early, const float *late, float t,
                         double step, float *gain, int count) {
  float beyond = mean_end(early) + t * (mean_end(late) - mean_end(early));
  for (int k = 0; k < count; k++) {
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

static void make_gain (Apply *a, const Segment *mask) {
  double time = mask_time(a), whole = floor(time);
  const float *early = mask_row(mask, (int64_t)whole);
  const float *late = mask_row(mask, (int64_t)whole + 1);
  double step = (double)a->rate * GRID_N / a->stft.size / GRID_RATE;
  for (int i = 0; i < (a->channels == 2 ? GRID_PLANES : 1); i++)
    interpolate(early + i * GRID_BINS, late + i * GRID_BINS,
                (float)(time - whole), step, a->gain[i], a->stft.size / 2 + 1);
}

static void take_input (Apply *a, int c, const int32_t *in) {
  size_t kept = (size_t)(a->stft.size - a->hop);
  memmove(a->input[c], a->input[c] + a->hop, kept * sizeof(float));
  for (int i = 0; i < a->hop; i++)
    a->input[c][kept + (size_t)i] = (float)in[i * a->channels + c];
}

static void filter (Apply *a, int c) {
  AVComplexFloat *x = a->stft.spectrum;
  stft_forward(&a->stft, a->input[c]);
  for (int k = 0; k <= a->stft.size / 2; k++) {
    x[k].re *= a->gain[0][k];
    x[k].im *= a->gain[0][k];
  }
  stft_inverse_add(&a->stft, a->output[c]);
}

/* Each of two channels gets something of the other. */
static void filter_two (Apply *a) {
  AVComplexFloat *l = a->first, *r = a->stft.spectrum;
  size_t count = (size_t)a->stft.size / 2 + 1;
  stft_forward(&a->stft, a->input[0]);
  memcpy(l, r, count * sizeof *l);
  stft_forward(&a->stft, a->input[1]);
  for (size_t k = 0; k < count; k++) {
    float left = a->gain[0][k], right = a->gain[1][k], both = a->gain[2][k];
    AVComplexFloat was = l[k];
    l[k].re = left * was.re + both * r[k].re;
    l[k].im = left * was.im + both * r[k].im;
    r[k].re = right * r[k].re + both * was.re;
    r[k].im = right * r[k].im + both * was.im;
  }
  stft_inverse_add(&a->stft, a->output[1]);
  memcpy(r, l, count * sizeof *l);
  stft_inverse_add(&a->stft, a->output[0]);
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
  make_gain(a, mask);
  for (int c = 0; c < a->channels; c++)
    take_input(a, c, in);
  if (a->channels == 2)
    filter_two(a);
  for (int c = 0; c < a->channels; c++) {
    if (a->channels != 2)
      filter(a, c);
    give_output(a, c, foreground, background);
  }
  a->frame++;
}
