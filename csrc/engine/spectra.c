/* From the samples of a segment to the energies on its grid. */

#include "engine/analysis.h"

#include <math.h>
#include <string.h>

/* Of one channel's spectrum at a time the analysis needs the energy; of two
** it needs their phase towards each other too, which Re(L R*) tells. */
static void keep_energy (const AVComplexFloat *x, float *energy) {
  for (int k = 0; k < GRID_ROW; k++)
    energy[k] = x[k].re * x[k].re + x[k].im * x[k].im;
}

static void keep_cross (const AVComplexFloat *l, const AVComplexFloat *r,
                        float *cross) {
  for (int k = 0; k < GRID_ROW; k++)
    cross[k] = l[k].re * r[k].re + l[k].im * r[k].im;
}

static void transform_frame (Analysis *a, const float *samples, int t) {
  AVComplexFloat first[GRID_ROW];
  size_t at = (size_t)t * GRID_ROW, from = (size_t)t * GRID_HOP;
  stft_forward(&a->stft, samples + from);
  keep_energy(a->stft.spectrum, a->left + at);
  if (a->channels == 1)
    return;
  memcpy(first, a->stft.spectrum, sizeof first);
  stft_forward(&a->stft, samples + SEGMENT_SAMPLES + from);
  keep_energy(a->stft.spectrum, a->right + at);
  keep_cross(first, a->stft.spectrum, a->cross + at);
}

static void make_level (Analysis *a) {
  size_t count = (size_t)a->frames * GRID_ROW;
  for (size_t i = 0; i < count; i++) {
    float power =
      a->channels == 1 ? a->left[i] : 0.5F * (a->left[i] + a->right[i]);
    a->level[i] = sqrtf(power) + 1e-7F;
  }
}

static void sum_rows (const float *plane, int frames, float *sum) {
  memset(sum, 0, GRID_ROW * sizeof *sum);
  for (int t = 0; t < frames; t++)
    for (int k = 0; k < GRID_ROW; k++)
      sum[k] += plane[(size_t)t * GRID_ROW + (size_t)k];
}

/* Two channels that hold the same are one. */
static void compare_channels (Analysis *a, const float *samples) {
  size_t count = (size_t)(a->frames - 1) * GRID_HOP + GRID_N;
  const float *l = samples, *r = samples + SEGMENT_SAMPLES;
  for (size_t i = 0; i < count; i++) {
    a->mean.power += 0.5 * (l[i] * l[i] + r[i] * r[i]);
    a->mean.difference += (l[i] - r[i]) * (l[i] - r[i]);
  }
}

void spectra_make (Analysis *a, const Segment *s) {
  a->index = s->index;
  a->frames = segment_frames(s);
  a->channels = s->channels;
  memset(&a->mean, 0, sizeof a->mean);
  a->mean.frames = a->frames;
  for (int t = 0; t < a->frames; t++)
    transform_frame(a, s->data, t);
  make_level(a);
  sum_rows(a->level, a->frames, a->mean.level);
  if (a->channels == 2) {
    compare_channels(a, s->data);
    sum_rows(a->left, a->frames, a->mean.left);
    sum_rows(a->right, a->frames, a->mean.right);
    sum_rows(a->cross, a->frames, a->mean.cross);
  }
  a->logit = s->data; /* the samples have been used */
  memset(a->logit, 0, (size_t)a->frames * GRID_ROW * sizeof *a->logit);
  memset(a->offset, 0, (size_t)a->frames * sizeof *a->offset);
}
