/* A stretch of the mixture that gets its mask in one go: 24 s, with 2 s of
** context on each side.  Memory depends on this and not on a file's length.
**
** Segment i owns the frames from i * SEGMENT_CORE on.  What its mask gives
** there and what the previous one gives overlap as frames do, for a tenth of a
** second. */

#ifndef CAMB_ENGINE_SEGMENT_H
#define CAMB_ENGINE_SEGMENT_H

#include <stdint.h>

#include "engine/grid.h"

enum {
  SEGMENT_CORE = 1034,
  SEGMENT_CONTEXT = 87,
  /* The file's tail may reach a few frames past the last context. */
  SEGMENT_FRAMES = SEGMENT_CORE + 2 * SEGMENT_CONTEXT + 4,
  SEGMENT_SAMPLES = (SEGMENT_FRAMES - 1) * GRID_HOP + GRID_N,
  SEGMENT_BLOCK = 32, /* frames that share a row of the coherence */
  SEGMENT_BLOCKS = SEGMENT_FRAMES / SEGMENT_BLOCK + 2,
};

typedef struct Segment {
  int64_t index; /* 0, 1, 2, ... */
  int64_t first; /* frames [first, end) of the file */
  int64_t end;
  int last;     /* 'end' is then the file's end */
  int channels; /* 1 or 2 */
  float *data;  /* see below; aligned for vectors */
  /* With the mask come the cosine and sine of the angle at which the lead lies
  ** between the channels, and for every SEGMENT_BLOCK frames of the file the
  ** coherence of what lies along that direction with what lies across it:
  ** of each bin the real part, then of each bin the imaginary part. */
  float cosine, sine;
  float *coherence; /* SEGMENT_BLOCKS rows of 2 * GRID_BINS */
} Segment;

/* 'data' holds one after the other, each in the place of the one before:
** the samples, interleaved, at its end; the energies of all frames, a row of
** the grid each, from the second row on, with a row of zeros before them and
** after them; and the mask, a row for each frame from the first row on, whose
** planes are shares along the lead's direction and across it.  The samples lie
** so far behind that no row takes the place of one that is yet to be used. */
enum { SEGMENT_ROOM = 3 * SEGMENT_SAMPLES };

/* Room for 'data' and for the coherence.  Returns 0, or -1 without memory;
** close it either way. */
int segment_open (Segment *s);
void segment_close (Segment *s);

/* Where the samples begin. */
static inline float *segment_samples (const Segment *s) {
  return s->data + (size_t)(3 - s->channels) * SEGMENT_SAMPLES;
}

/* How many frames the segment has. */
static inline int segment_frames (const Segment *s) {
  return (int)(s->end - s->first);
}

/* The row of the coherence for a frame of the file. */
static inline int segment_block (const Segment *s, int64_t frame) {
  return (int)(frame / SEGMENT_BLOCK - s->first / SEGMENT_BLOCK);
}

#endif
