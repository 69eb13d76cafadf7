/* The median features, and from them a first guess at the lead.
**
** Medians along time hold what stays (chords, hum), medians along frequency
** hold what is broadband (drums, noise): FitzGerald, Harmonic/percussive
** separation using median filtering, DAFx 2010.  A voice is neither. */

#include "engine/analysis.h"

#include "engine/lanes.h"
#include "engine/median.h"

/* 3, 0.8 and 0.3 s in frames; 200 Hz and 1 kHz in bins. */
enum { LONG = 129, MIDDLE = 35, SHORT = 13, NARROW = 19, WIDE = 93 };

/* Four signals along either direction. */
typedef struct Run {
  Lanes values[(int)GRID_ROW > (int)SEGMENT_FRAMES ? (int)GRID_ROW
                                                   : (int)SEGMENT_FRAMES];
} Run;

/* Median over magnitude, kept between e^-4 and e^2. */
static Lanes ratio_of (Lanes median, Lanes level) {
  return lanes_clamp((median + 1e-9F) / level, 0.018315639F, 7.3890561F);
}

static void add (float *logit, Lanes value) {
  lanes_store(logit, lanes_load(logit) + value);
}

/* --- along frequency, four frames at a time ------------------------------- */

/* Behind the last frame, the last once more: its result is not stored. */
static size_t row_at (const Analysis *a, int t) {
  return (size_t)(t < a->frames ? t : a->frames - 1) * GRID_ROW;
}

static void gather_rows (const Analysis *a, int t, Run *in) {
  for (size_t k = 0; k < GRID_ROW; k += LANES) {
    Lanes *v = in->values + k;
    for (int i = 0; i < LANES; i++)
      v[i] = lanes_load(a->level + row_at(a, t + i) + k);
    lanes_transpose(v);
  }
}

/* The wide ratio is needed once more, beside the middle one along time. */
static void store_rows (Analysis *a, int t, Run *narrow, Run *wide) {
  for (size_t k = 0; k < GRID_ROW; k += LANES) {
    lanes_transpose(narrow->values + k);
    lanes_transpose(wide->values + k);
    for (int i = 0; i < LANES && t + i < a->frames; i++) {
      size_t at = row_at(a, t + i) + k;
      Lanes level = lanes_load(a->level + at);
      Lanes n = ratio_of(narrow->values[k + (size_t)i], level);
      Lanes w = ratio_of(wide->values[k + (size_t)i], level);
      lanes_store(a->scratch + at, w);
      add(a->logit + at, lanes_log(n) * a->weights->of[FEATURE_BAND_NARROW] +
                           lanes_log(w) * a->weights->of[FEATURE_BAND_WIDE]);
    }
  }
}

static void filter_frequency (Analysis *a) {
  Run in, narrow, wide;
  for (int t = 0; t < a->frames; t += LANES) {
    gather_rows(a, t, &in);
    median_run(in.values, narrow.values, GRID_ROW, NARROW);
    median_run(in.values, wide.values, GRID_ROW, WIDE);
    store_rows(a, t, &narrow, &wide);
  }
}

/* --- along time, four bins at a time -------------------------------------- */

/* What the long median explains is no lead; nor is what lasts longer than it
** is broad. */
static Lanes guess (Lanes level, Lanes longest, Lanes middle, Lanes wide) {
  Lanes fresh = 1.0F - lanes_min(longest, lanes_all(1));
  Lanes damp = lanes_sqrt(lanes_min(wide / middle, lanes_all(1)));
  return level * fresh * damp;
}

static void store_column (Analysis *a, size_t k, const Run *longest,
                          const Run *middle, const Run *shortest) {
  const float *weight = a->weights->of;
  for (int t = 0; t < a->frames; t++) {
    size_t at = (size_t)t * GRID_ROW + k;
    Lanes level = lanes_load(a->level + at);
    Lanes l = ratio_of(longest->values[t], level);
    Lanes m = ratio_of(middle->values[t], level);
    Lanes s = ratio_of(shortest->values[t], level);
    add(a->logit + at, lanes_log(l) * weight[FEATURE_TIME_LONG] +
                         lanes_log(m) * weight[FEATURE_TIME_MIDDLE] +
                         lanes_log(s) * weight[FEATURE_TIME_SHORT]);
    lanes_store(a->rough + at, guess(level, l, m, lanes_load(a->scratch + at)));
  }
}

static void filter_time (Analysis *a) {
  Run in, longest, middle, shortest;
  for (size_t k = 0; k < GRID_ROW; k += LANES) {
    for (int t = 0; t < a->frames; t++)
      in.values[t] = lanes_load(a->level + (size_t)t * GRID_ROW + k);
    median_run(in.values, longest.values, a->frames, LONG);
    median_run(in.values, middle.values, a->frames, MIDDLE);
    median_run(in.values, shortest.values, a->frames, SHORT);
    store_column(a, k, &longest, &middle, &shortest);
  }
}

void rough_make (Analysis *a) {
  filter_frequency(a);
  filter_time(a);
}
