/* A stretch of the mixture that gets its mask in one go: 24 s, with 2 s of
** context on each side.  Memory depends on this and not on a file's length.
**
** Segment i owns the frames from i * SEGMENT_CORE on.  Around that boundary,
** SEGMENT_FADE frames to each side, its mask and the previous one are
** crossfaded. */

#ifndef CAMB_ENGINE_SEGMENT_H
#define CAMB_ENGINE_SEGMENT_H

#include <stdint.h>

#include "engine/grid.h"

enum {
  SEGMENT_CORE = 1034,
  SEGMENT_CONTEXT = 87,
  SEGMENT_FADE = 32, /* leaves frames before it for mask interpolation */
  /* The file's tail may reach a few frames past the last context. */
  SEGMENT_FRAMES = SEGMENT_CORE + 2 * SEGMENT_CONTEXT + 4,
  SEGMENT_SAMPLES = (SEGMENT_FRAMES - 1) * GRID_HOP + GRID_N,
};

typedef struct Segment {
  int64_t index; /* 0, 1, 2, ... */
  int64_t first; /* frames [first, end) of the file */
  int64_t end;
  int last;     /* 'end' is then the file's end */
  int channels; /* 1 or 2 */
  float *data;  /* see below; SEGMENT_ROOM floats, aligned for vectors */
} Segment;

/* 'data' first holds the samples, channel c from c * SEGMENT_SAMPLES on, and
** once these have been used the mask: a row of the grid for each frame.  Its
** planes are what the first channel gets of itself, what the second gets of
** itself, and what each gets of the other. */
enum {
  SEGMENT_MASK = SEGMENT_FRAMES * GRID_ROW,
  SEGMENT_ROOM =
    SEGMENT_MASK > 2 * SEGMENT_SAMPLES ? SEGMENT_MASK : 2 * SEGMENT_SAMPLES,
};

/* How many frames the segment has. */
static inline int segment_frames (const Segment *s) {
  return (int)(s->end - s->first);
}

#endif
