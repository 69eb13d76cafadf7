/* From a segment's samples to its mask. */

#ifndef CAMB_ENGINE_MASK_H
#define CAMB_ENGINE_MASK_H

#include "engine/segment.h"

/* Replace the samples in s->data by the mask, 0 to 1. */
void mask_segment (Segment *s);

#endif
