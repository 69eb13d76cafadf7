/* Where the lead is between the channels, and what is off its axis.
**
** The lead's place is the peak of an energy-weighted histogram of the
** inter-channel angle: Barry, Lawlor, Coyle, Sound source separation: azimuth
** discrimination and resynthesis, DAFx 2004; Avendano, Frequency-domain source
** identification and manipulation in stereo mixes, WASPAA 2003. */

#include "engine/analysis.h"

#include <math.h>
#include <string.h>

#include "engine/box.h"
#include "engine/lanes.h"

/* The bins between 150 Hz and 5 kHz. */
enum { FIRST = 14, LAST = 464 };

/* Energy of the rough lead by angle, where both channels are in phase. */
static void fill_histogram (Analysis *a) {
  for (int t = 0; t < a->frames; t++)
    for (int k = FIRST; k <= LAST; k++) {
      size_t i = (size_t)t * GRID_ROW + (size_t)k;
      float weight = a->rough[i] * a->rough[i];
      if (!(a->cross[i] > 0) || weight == 0)
        continue;
      float angle = atan2f(sqrtf(a->right[i]), sqrtf(a->left[i]));
      int bin = (int)(angle * (float)(PAN_BINS / M_PI_2));
      a->mean.histogram[bin < PAN_BINS ? bin : PAN_BINS - 1] += weight;
    }
}

static float peak_angle (const double *histogram) {
  double best = -1;
  int peak = 0;
  for (int i = 0; i < PAN_BINS; i++) {
    double below = i > 0 ? histogram[i - 1] : 0;
    double above = i < PAN_BINS - 1 ? histogram[i + 1] : 0;
    double smooth = 0.25 * below + 0.5 * histogram[i] + 0.25 * above;
    if (smooth > best) {
      best = smooth;
      peak = i;
    }
  }
  return (float)((peak + 0.5) * M_PI_2 / PAN_BINS);
}

/* Energy along an axis at 'c' = cos, 's' = sin of its angle. */
static Lanes along (Lanes left, Lanes right, Lanes cross, float c, float s) {
  Lanes energy = left * (c * c) + right * (s * s) + cross * (2 * c * s);
  return lanes_max(energy, lanes_all(0)) + 1e-12F;
}

/* left, right become the energy off the lead's axis and on it. */
static void rotate (Analysis *a) {
  float c = cosf(a->angle), s = sinf(a->angle);
  size_t count = (size_t)a->frames * GRID_ROW;
  for (size_t i = 0; i < count; i += LANES) {
    Lanes left = lanes_load(a->left + i), right = lanes_load(a->right + i);
    Lanes cross = lanes_load(a->cross + i);
    lanes_store(a->left + i, along(left, right, cross, -s, c));
    lanes_store(a->right + i, along(left, right, cross, c, s));
  }
}

/* ln of the root of the ratio, kept to -4 ... 2, plus 1. */
static Lanes feature (Lanes ratio) {
  Lanes kept = lanes_clamp(ratio, 3.3546263e-4F, 54.598150F);
  return lanes_log(kept) * 0.5F + 1.0F;
}

/* Per frequency over time: the means rotate as the values do. */
static void mean_feature (const Analysis *a, float *row) {
  float c = cosf(a->angle), s = sinf(a->angle);
  const Spectrum *m = &a->mean;
  float scale = (float)(1 / m->frames);
  for (int k = 0; k < GRID_ROW; k += LANES) {
    Lanes left = lanes_load(m->left + k) * scale;
    Lanes right = lanes_load(m->right + k) * scale;
    Lanes cross = lanes_load(m->cross + k) * scale;
    Lanes off = along(left, right, cross, -s, c);
    Lanes on = along(left, right, cross, c, s);
    lanes_store(row + k, feature(off / on));
  }
}

/* The smooth energies are in cross (off the axis) and scratch (on it). */
static void add_features (Analysis *a) {
  const float *weight = a->weights->of;
  float mean[GRID_ROW];
  mean_feature(a, mean);
  for (size_t i = 0; i < (size_t)a->frames * GRID_ROW; i += LANES) {
    Lanes ratio = lanes_load(a->left + i) / lanes_load(a->right + i);
    Lanes smooth = lanes_load(a->cross + i) / lanes_load(a->scratch + i);
    Lanes sum = feature(ratio) * weight[FEATURE_OFF_AXIS] +
                feature(smooth) * weight[FEATURE_OFF_AXIS_SMOOTH] +
                lanes_load(mean + i % GRID_ROW) * weight[FEATURE_OFF_AXIS_MEAN];
    lanes_store(a->logit + i, lanes_load(a->logit + i) + sum);
    Lanes kept = lanes_max(1.0F - lanes_sqrt(smooth), lanes_all(0));
    lanes_store(a->rough + i, lanes_load(a->rough + i) * kept);
  }
}

void pan_apply (Analysis *a) {
  if (a->channels == 2)
    fill_histogram(a);
  carry_spectrum(a->carry, a->index, &a->mean);
  a->stereo = a->mean.difference > 1e-6 * a->mean.power;
  if (!a->stereo)
    return;
  a->angle = peak_angle(a->mean.histogram);
  rotate(a);
  box_filter(a->left, a->cross, a->frames, 3, 3);
  box_filter(a->right, a->scratch, a->frames, 3, 3);
  add_features(a);
  for (int t = 0; t < a->frames; t++)
    a->offset[t] += a->weights->of[FEATURE_STEREO];
}
