#include "engine/mask.h"

void mask_segment (Segment *s) {
  for (int64_t t = 0; t < s->end - s->first; t++)
    for (int k = 0; k < GRID_ROW; k++)
      s->data[t * GRID_ROW + k] =
        k < GRID_BINS && grid_hz(k) > 150 && grid_hz(k) < 4000 ? 0.7F : 0;
}
