/* The lead's pitch, and the comb of its harmonics. */

#include "engine/analysis.h"

#include <math.h>
#include <stdlib.h>

#include "engine/path.h"
#include "engine/pitch.h"
#include "engine/salience.h"
#include "engine/smooth.h"

enum { COMB_BINS = 652 }; /* below 7 kHz: 651, in whole lanes */

struct Pitch {
  Salience *salience;
  float of[SEGMENT_FRAMES * CANDIDATES]; /* salience, frame by frame */
  float mean[SEGMENT_FRAMES];            /* of the compressed magnitude */
  uint8_t from[SEGMENT_FRAMES * CANDIDATES];
  uint8_t path[SEGMENT_FRAMES];
  float on_path[SEGMENT_FRAMES]; /* salience there, and smoothed */
  float smooth[SEGMENT_FRAMES];
};

Pitch *pitch_open (void) {
  Pitch *p = malloc(sizeof *p);
  if (p == NULL)
    return NULL;
  p->salience = salience_open();
  if (p->salience != NULL)
    return p;
  free(p);
  return NULL;
}

void pitch_close (Pitch *p) {
  if (p != NULL)
    salience_close(p->salience);
  free(p);
}

/* --- salience ------------------------------------------------------------- */

/* Four frames' magnitudes to the power of 0.4, one frame per lane, and their
** mean.  Behind the last frame the last is taken again. */
static Lanes compress (const Analysis *a, int t, Lanes *out) {
  Lanes sum = lanes_all(0);
  for (int k = 0; k < SALIENCE_BINS; k += LANES) {
    for (int i = 0; i < LANES; i++) {
      int row = t + i < a->frames ? t + i : a->frames - 1;
      const float *from = a->rough + (size_t)row * GRID_ROW + k;
      out[k + i] = lanes_exp(lanes_log(lanes_load(from) + 1e-9F) * 0.4F);
    }
    lanes_transpose(out + k);
    sum += (out[k] + out[k + 1]) + (out[k + 2] + out[k + 3]);
  }
  return sum / (float)SALIENCE_BINS;
}

static void find_salience (const Analysis *a, Pitch *p) {
  Lanes magnitude[SALIENCE_BINS], salience[CANDIDATES];
  for (int t = 0; t < a->frames; t += LANES) {
    Lanes mean = compress(a, t, magnitude);
    salience_of(p->salience, magnitude, salience);
    for (int i = 0; i < LANES && t + i < a->frames; i++) {
      float *out = p->of + (size_t)(t + i) * CANDIDATES;
      p->mean[t + i] = mean[i];
      for (int c = 0; c < CANDIDATES; c++)
        out[c] = salience[c][i];
    }
  }
}

/* Loud and soft frames count alike, silent ones little. */
static void normalise (const Analysis *a, Pitch *p, float overall) {
  for (int t = 0; t < a->frames; t++) {
    float scale = 1 / (p->mean[t] + 0.3F * overall + 1e-9F);
    for (int c = 0; c < CANDIDATES; c++)
      p->of[t * CANDIDATES + c] *= scale;
  }
}

static float mean_of (const float *values, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++)
    sum += values[i];
  return (float)(sum / n);
}

/* --- features ------------------------------------------------------------- */

/* How near each bin is to a harmonic: wider towards the high ones, where a
** wavering pitch smears them. */
static void add_comb (float *logit, float hz, float weight) {
  Lanes pitch = lanes_all(hz);
  Lanes step = lanes_all((float)GRID_RATE / GRID_N);
  Lanes index = {0, 1, 2, 3};
  for (int k = 0; k < COMB_BINS; k += LANES) {
    Lanes place = (index + (float)k) * step;
    Lanes h = lanes_max(lanes_round(place / pitch), lanes_all(1));
    Lanes off = (place - h * pitch) / (14.0F + h * pitch * 0.008F);
    Lanes comb = lanes_exp(off * off * -0.5F) - 0.5F;
    comb = lanes_select(place < lanes_all(7000), comb, lanes_all(0));
    lanes_store(logit + k, lanes_load(logit + k) + comb * weight);
  }
}

static float clamp (float v, float low, float high) {
  return v < low ? low : v > high ? high : v;
}

static void add_features (Analysis *a, const Pitch *p, float median,
                          float deviation) {
  const float *weight = a->weights->of;
  for (int t = 0; t < a->frames; t++) {
    float salience = p->smooth[t];
    float place = (salience - median) / (deviation + 1e-6F);
    float voiced = 1 / (1 + expf(-1.5F * place));
    a->offset[t] +=
      (voiced - 0.5F) * weight[FEATURE_VOICED] +
      clamp(salience - 2, -3, 6) * 0.3F * weight[FEATURE_SALIENCE];
    add_comb(a->logit + (size_t)t * GRID_ROW, salience_hz(p->path[t]),
             weight[FEATURE_COMB] + voiced * weight[FEATURE_COMB_VOICED]);
  }
}

void pitch_apply (Analysis *a) {
  Pitch *p = a->pitch;
  float deviation;
  find_salience(a, p);
  float compressed = mean_of(p->mean, a->frames);
  a->loud = carry_energy(a->carry, a->index, a->energy, a->frames, &compressed);
  normalise(a, p, compressed);
  path_find(p->of, a->frames, p->from, p->path);
  for (int t = 0; t < a->frames; t++)
    p->on_path[t] = p->of[t * CANDIDATES + p->path[t]];
  smooth_gaussian(p->on_path, p->smooth, a->frames, 2);
  float median =
    carry_salience(a->carry, a->index, p->smooth, a->frames, &deviation);
  add_features(a, p, median, deviation);
}
