/* From the samples of a segment to the energies that the network looks at. */

#ifndef CAMB_ENGINE_SPECTRA_H
#define CAMB_ENGINE_SPECTRA_H

#include "engine/segment.h"
#include "engine/stft.h"

typedef struct Spectra {
  int frames;
  int stereo;  /* two channels that differ */
  float angle; /* of the lead between the channels, in radians */
  float levels[SEGMENT_FRAMES]; /* the network's */
  float *rows; /* SEGMENT_FRAMES rows of GRID_ROW, and one of zeros before
               ** and after them */
  Stft stft;
} Spectra;

/* Fill a zeroed 's'.  Returns 0, or -1 without memory; free it either way. */
int spectra_open (Spectra *s);
void spectra_close (Spectra *s);

/* The segment's energies: in each row's first plane what lies along the lead's
** direction, in the second what lies across it.  The third is free. */
void spectra_make (Spectra *s, const Segment *segment);

/* Where the lead is: of rows that hold the energies of left and right and the
** real part of their cross spectrum, the angle of what moves. */
float pan_angle (const Spectra *s);

#endif
