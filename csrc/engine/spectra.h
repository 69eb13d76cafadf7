/* From the samples of a segment to the energies that the network looks at. */

#ifndef CAMB_ENGINE_SPECTRA_H
#define CAMB_ENGINE_SPECTRA_H

#include "engine/segment.h"
#include "engine/stft.h"

typedef struct Spectra {
  int frames;
  int stereo; /* two channels that differ in more than level */
  float levels[SEGMENT_FRAMES]; /* the network's */
  float *rows; /* the segment's energies: as many rows of GRID_ROW as there are
               ** frames, and one of zeros before them and after them */
  float *sums; /* what the coherence is made of, by blocks of frames */
  Stft stft;
} Spectra;

/* Fill a zeroed 's'.  Returns 0, or -1 without memory; free it either way. */
int spectra_open (Spectra *s);
void spectra_close (Spectra *s);

/* The segment's energies, in the place of its samples: in each row's first
** plane what lies along the lead's direction, in the second what lies across
** it.  The third is free.  And that direction, and the coherence of both. */
void spectra_make (Spectra *s, Segment *segment);

/* Where the lead is, in radians: of rows that hold the energies of left and
** right (whose sign says nothing) and the real part of their cross spectrum,
** the angle of what moves. */
float pan_angle (const Spectra *s);

#endif
