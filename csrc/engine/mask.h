/* From a segment's samples to its mask. */

#ifndef CAMB_ENGINE_MASK_H
#define CAMB_ENGINE_MASK_H

#include "engine/carry.h"
#include "engine/segment.h"
#include "engine/weights.h"

typedef struct Masker Masker;

/* What one thread needs to make masks; about 50 MB.  'carry' is shared with
** the other threads of the same file.  NULL without memory. */
Masker *masker_open (Carry *carry, const Weights *weights);
void masker_close (Masker *m);

/* Replace the samples of the next segment by its mask, 0 to 1. */
void masker_run (Masker *m, Segment *s);

/* The same up to the weighted sum of the features alone, for benches that
** look at one of them: no bias, no logistic function. */
void masker_run_linear (Masker *m, Segment *s);

#endif
