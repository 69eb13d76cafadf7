/* From a segment's samples to its mask. */

#ifndef CAMB_ENGINE_MASK_H
#define CAMB_ENGINE_MASK_H

#include "engine/net.h"
#include "engine/segment.h"

typedef struct Masker Masker;

/* What one thread needs to make masks; about 5 MB.  NULL without memory. */
Masker *masker_open (const Net *net);
void masker_close (Masker *m);

/* Replace the samples of a segment by its mask. */
void masker_run (Masker *m, Segment *s);

#endif
