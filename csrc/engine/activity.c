/* When and where the lead is there at all. */

#include "engine/analysis.h"

#include <math.h>

#include "engine/box.h"
#include "engine/lanes.h"
#include "engine/smooth.h"

/* The bins between 150 Hz and 4 kHz. */
enum { FIRST = 14, LAST = 371 };

static float band_energy (const float *row) {
  float sum = 0;
  for (int k = FIRST; k <= LAST; k++)
    sum += row[k] * row[k];
  return logf(sum + 1e-9F);
}

void activity_measure (Analysis *a) {
  for (int t = 0; t < a->frames; t++) {
    size_t at = (size_t)t * GRID_ROW;
    a->energy[t] = band_energy(a->rough + at);
    a->share[t] = a->energy[t] - band_energy(a->level + at);
  }
}

static float clamp (float v, float low, float high) {
  return v < low ? low : v > high ? high : v;
}

/* The lead against its loud moments, and its share in the frame. */
static void add_frames (Analysis *a) {
  float energy[SEGMENT_FRAMES], share[SEGMENT_FRAMES];
  const float *weight = a->weights->of;
  smooth_gaussian(a->energy, energy, a->frames, 1.5);
  smooth_gaussian(a->share, share, a->frames, 1.5);
  for (int t = 0; t < a->frames; t++)
    a->offset[t] +=
      clamp(energy[t] - a->loud, -8, 1) * 0.3F * weight[FEATURE_ACTIVE] +
      clamp(share[t], -6, 0) * 0.3F * weight[FEATURE_SHARE];
}

/* Each bin against its mean over time. */
static void add_rise (Analysis *a) {
  float scale = (float)(1 / a->mean.frames);
  for (size_t i = 0; i < (size_t)a->frames * GRID_ROW; i += LANES) {
    Lanes mean = lanes_load(a->mean.level + i % GRID_ROW) * scale;
    Lanes rise = lanes_log(lanes_load(a->level + i) / mean);
    Lanes value =
      lanes_clamp(rise, -4, 4) * (0.3F * a->weights->of[FEATURE_RISE]);
    lanes_store(a->logit + i, lanes_load(a->logit + i) + value);
  }
}

static void square (float *plane, int frames) {
  size_t count = (size_t)frames * GRID_ROW;
  for (size_t i = 0; i < count; i += LANES) {
    Lanes v = lanes_load(plane + i);
    lanes_store(plane + i, v * v);
  }
}

/* The lead's share in the energy around each bin. */
static void add_local_share (Analysis *a) {
  square(a->rough, a->frames);
  box_filter(a->rough, a->scratch, a->frames, 9, 5);
  square(a->level, a->frames);
  box_filter(a->level, a->rough, a->frames, 9, 5);
  for (size_t i = 0; i < (size_t)a->frames * GRID_ROW; i += LANES) {
    Lanes lead = lanes_load(a->scratch + i) + 1e-12F;
    Lanes all = lanes_load(a->rough + i) + 1e-12F;
    Lanes value = lanes_clamp(lanes_log(lead / all), -6, 0) *
                  (0.3F * a->weights->of[FEATURE_LOCAL_SHARE]);
    lanes_store(a->logit + i, lanes_load(a->logit + i) + value);
  }
}

void activity_apply (Analysis *a) {
  add_frames(a);
  add_rise(a);
  add_local_share(a);
}
