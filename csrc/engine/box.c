/* Moving average of a plane over a box of bins and frames. */

#include "engine/box.h"

#include "engine/grid.h"
#include "engine/lanes.h"

enum { MARGIN = 4 }; /* half of the widest box, and one Lanes */

static void sum_frames (const float *in, int frames, int t, int span,
                        float *row) {
  for (int k = 0; k < GRID_ROW; k += LANES) {
    Lanes sum = lanes_all(0);
    for (int j = t - span / 2; j <= t + span / 2; j++) {
      int near = j < 0 ? 0 : j >= frames ? frames - 1 : j;
      sum += lanes_load(in + (size_t)near * GRID_ROW + k);
    }
    lanes_store(row + k, sum);
  }
}

static void repeat_edges (float *row) {
  for (int i = 1; i <= MARGIN; i++) {
    row[-i] = row[0];
    row[GRID_ROW - 1 + i] = row[GRID_ROW - 1];
  }
}

void box_filter (const float *in, float *out, int frames, int bins, int span) {
  float padded[MARGIN + GRID_ROW + MARGIN], *row = padded + MARGIN;
  float scale = 1.0F / (float)(bins * span);
  for (int t = 0; t < frames; t++) {
    sum_frames(in, frames, t, span, row);
    repeat_edges(row);
    for (int k = 0; k < GRID_ROW; k += LANES) {
      Lanes sum = lanes_all(0);
      for (int j = k - bins / 2; j <= k + bins / 2; j++)
        sum += lanes_load(row + j);
      lanes_store(out + (size_t)t * GRID_ROW + k, sum * scale);
    }
  }
}
