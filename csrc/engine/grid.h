/* The time-frequency grid on which the mask is made.
**
** Frames of N samples every HOP samples at 44.1 kHz, N - HOP zeros before the
** first sample: frame t covers the samples from (t + 1) * HOP - N up to
** (t + 1) * HOP, and every sample lies in four frames.  A plane holds one
** float per frame and bin, frame by frame, GRID_ROW floats apart: bins up to
** 16 kHz count, the rest of a row is there for the filters along frequency
** that reach beyond. */

#ifndef CAMB_ENGINE_GRID_H
#define CAMB_ENGINE_GRID_H

#include <stddef.h>
#include <stdint.h>

enum {
  GRID_RATE = 44100,
  GRID_N = 4096,
  GRID_HOP = 1024,
  GRID_BINS = 1487, /* up to 16 kHz; above it the mask is 0 */
  GRID_ROW = 1536,
};

/* The centre of bin k in Hz. */
static inline double grid_hz (int k) {
  return (double)k * GRID_RATE / GRID_N;
}

/* How many frames it takes to cover 'n' samples. */
static inline int64_t grid_frames (int64_t n) {
  return (n + GRID_N - GRID_HOP + GRID_HOP - 1) / GRID_HOP + 1;
}

#endif
