/* What one segment learns from those before it, so that nothing jumps at a
** boundary: each figure is taken over the segment and the last few.
**
** Segments of one file may be in work at the same time in several threads.
** Each of the three steps waits until the segment before has taken the same
** step: results do not depend on the threads.  So a thread that has begun
** with a segment must take all three steps, in their order. */

#ifndef CAMB_ENGINE_CARRY_H
#define CAMB_ENGINE_CARRY_H

#include <stdint.h>

#include "engine/grid.h"
#include "engine/segment.h"

typedef struct Carry Carry;

enum { PAN_BINS = 90 }; /* of the histogram over 0 ... pi / 2 */

/* Sums over frames. */
typedef struct Spectrum {
  double frames;
  double power, difference; /* of the samples, and of left - right */
  double histogram[PAN_BINS];
  float level[GRID_ROW];
  float left[GRID_ROW], right[GRID_ROW], cross[GRID_ROW];
} Spectrum;

/* NULL without memory. */
Carry *carry_open (void);
void carry_close (Carry *c);

/* Step 1: to 'sums' add those of the segments before segment 'index'. */
void carry_spectrum (Carry *c, int64_t index, Spectrum *sums);

/* Step 2: of 'n' frames' log energy of the lead, the 95th percentile; of the
** means of its compressed magnitude, the mean, to *compressed. */
float carry_energy (Carry *c, int64_t index, const float *energy, int n,
                    float *compressed);

/* Step 3: of 'n' frames' salience, the median, and to *deviation the standard
** deviation. */
float carry_salience (Carry *c, int64_t index, const float *salience, int n,
                      float *deviation);

#endif
