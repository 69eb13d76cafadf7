/* The time-frequency grid on which the mask is made.
**
** Frames of N samples every HOP samples at 44.1 kHz, N - HOP zeros before the
** first sample: frame t covers the samples from (t + 1) * HOP - N up to
** (t + 1) * HOP, and every sample lies in four frames.  A row holds three
** planes of a frame, one float for each bin up to 11 kHz. */

#ifndef CAMB_ENGINE_GRID_H
#define CAMB_ENGINE_GRID_H

#include <stddef.h>
#include <stdint.h>

enum {
  GRID_RATE = 44100,
  GRID_N = 4096,
  GRID_HOP = 1024,
  GRID_BINS = 1024, /* above them the mask is what it is around the last */
  GRID_PLANES = 3,
  GRID_ROW = GRID_PLANES * GRID_BINS,
};

/* How many frames it takes to cover 'n' samples. */
static inline int64_t grid_frames (int64_t n) {
  return (n + GRID_N - GRID_HOP + GRID_HOP - 1) / GRID_HOP + 1;
}

#endif
