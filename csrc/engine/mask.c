/* From a segment's samples to its mask. */

#include "engine/mask.h"

#include <math.h>
#include <string.h>

#include <libavutil/mem.h>

#include "engine/analysis.h"
#include "engine/lanes.h"

struct Masker {
  Analysis analysis;
  float bias;
  float hats[GRID_ROW]; /* the sum of the weighted hats, for each bin */
};

/* Triangles over log frequency, at 60 Hz and up by the octave. */
static void fill_hats (Masker *m, const Weights *weights) {
  for (int k = 0; k < GRID_ROW; k++) {
    double octave = log2(fmax(grid_hz(k), 20) / 60), sum = 0;
    for (int i = 0; i < HATS; i++)
      sum += weights->of[FEATURE_HAT + i] * fmax(0, 1 - fabs(octave - i));
    m->hats[k] = (float)sum;
  }
}

Masker *masker_open (Carry *carry, const Weights *weights) {
  Masker *m = av_mallocz(sizeof *m);
  if (m == NULL)
    return NULL;
  if (analysis_init(&m->analysis, carry, weights) < 0) {
    masker_close(m);
    return NULL;
  }
  m->bias = weights->bias;
  fill_hats(m, weights);
  return m;
}

void masker_close (Masker *m) {
  if (m == NULL)
    return;
  analysis_free(&m->analysis);
  av_free(m);
}

void masker_run_linear (Masker *m, Segment *s) {
  analysis_run(&m->analysis, s);
  for (int t = 0; t < segment_frames(s); t++) {
    float *row = s->data + (size_t)t * GRID_ROW;
    Lanes offset = lanes_all(m->analysis.offset[t]);
    for (int k = 0; k < GRID_ROW; k += LANES)
      lanes_store(row + k,
                  lanes_load(row + k) + lanes_load(m->hats + k) + offset);
  }
}

void masker_run (Masker *m, Segment *s) {
  masker_run_linear(m, s);
  for (int t = 0; t < segment_frames(s); t++) {
    float *row = s->data + (size_t)t * GRID_ROW;
    for (int k = 0; k < GRID_ROW; k += LANES) {
      Lanes logit = lanes_load(row + k) + m->bias;
      lanes_store(row + k, 1.0F / (1.0F + lanes_exp(-logit)));
    }
    memset(row + GRID_BINS, 0, (GRID_ROW - GRID_BINS) * sizeof *row);
  }
}
