/* From the samples of a segment to the energies that the network looks at. */

#include "engine/spectra.h"

#include <math.h>
#include <string.h>

#include <libavutil/mem.h>

int spectra_open (Spectra *s) {
  size_t room = (size_t)(SEGMENT_FRAMES + 2) * GRID_ROW;
  float *all = av_calloc(room, sizeof *all);
  if (all == NULL)
    return -1;
  s->rows = all + GRID_ROW;
  return stft_init(&s->stft, GRID_N);
}

void spectra_close (Spectra *s) {
  if (s->rows != NULL)
    av_free(s->rows - GRID_ROW);
  s->rows = NULL;
  stft_free(&s->stft);
}

/* Two channels that hold the same are one. */
static int is_stereo (const Segment *s) {
  const float *l = s->data, *r = s->data + SEGMENT_SAMPLES;
  int count = (segment_frames(s) - 1) * GRID_HOP + GRID_N;
  double power = 0, difference = 0;
  if (s->channels == 1)
    return 0;
  for (int i = 0; i < count; i++) {
    power += l[i] * l[i] + r[i] * r[i];
    difference += (l[i] - r[i]) * (l[i] - r[i]);
  }
  return difference > 5e-7 * power;
}

static void keep_energy (const AVComplexFloat *x, float *energy) {
  for (int k = 0; k < GRID_BINS; k++)
    energy[k] = x[k].re * x[k].re + x[k].im * x[k].im;
}

static void keep_cross (const AVComplexFloat *l, const AVComplexFloat *r,
                        float *cross) {
  for (int k = 0; k < GRID_BINS; k++)
    cross[k] = l[k].re * r[k].re + l[k].im * r[k].im;
}

static void transform (Spectra *s, const float *samples, float *row) {
  AVComplexFloat left[GRID_BINS];
  stft_forward(&s->stft, samples);
  keep_energy(s->stft.spectrum, row);
  if (!s->stereo) {
    memset(row + GRID_BINS, 0, GRID_BINS * sizeof *row);
    return;
  }
  memcpy(left, s->stft.spectrum, sizeof left);
  stft_forward(&s->stft, samples + SEGMENT_SAMPLES);
  keep_energy(s->stft.spectrum, row + GRID_BINS);
  keep_cross(left, s->stft.spectrum, row + 2 * GRID_BINS);
}

/* Rounding may leave a little less than nothing. */
static float along (float left, float right, float cross, float c, float s) {
  float energy = c * c * left + s * s * right + 2 * c * s * cross;
  return energy > 0 ? energy : 0;
}

static void rotate (float *row, float c, float s) {
  for (int k = 0; k < GRID_BINS; k++) {
    float *l = row + k, *r = l + GRID_BINS;
    float cross = l[2 * GRID_BINS];
    float on = along(*l, *r, cross, c, s);
    *r = along(*l, *r, cross, -s, c);
    *l = on;
  }
}

void spectra_make (Spectra *s, const Segment *segment) {
  s->frames = segment_frames(segment);
  s->stereo = is_stereo(segment);
  s->angle = 0;
  for (int t = 0; t < s->frames; t++)
    transform(s, segment->data + (size_t)t * GRID_HOP,
              s->rows + (size_t)t * GRID_ROW);
  memset(s->rows + (size_t)s->frames * GRID_ROW, 0, GRID_ROW * sizeof *s->rows);
  if (!s->stereo)
    return;
  s->angle = pan_angle(s);
  for (int t = 0; t < s->frames; t++)
    rotate(s->rows + (size_t)t * GRID_ROW, cosf(s->angle), sinf(s->angle));
}
