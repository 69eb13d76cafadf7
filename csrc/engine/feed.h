/* Cuts the mixture into segments: mono or stereo at 44.1 kHz, whatever came
** in.  This signal only makes the mask: stems never pass the resampler. */

#ifndef CAMB_ENGINE_FEED_H
#define CAMB_ENGINE_FEED_H

#include "engine/fault.h"
#include "engine/format.h"
#include "engine/segment.h"

typedef struct Feed Feed;

Feed *feed_open (const Format *format, Fault *fault);
void feed_close (Feed *f);

/* Most samples that one feed_add takes. */
int feed_step (const Feed *f);

/* Add up to feed_step samples per channel, interleaved; none (NULL, 0) ends
** the mixture.  Take what is ready before adding more.  Returns 0 or -1. */
int feed_add (Feed *f, const int32_t *samples, int n, Fault *fault);

/* Whether the next segment is complete. */
int feed_ready (const Feed *f);

/* Copy the next segment into 's', whose 'data' is the caller's. */
void feed_take (Feed *f, Segment *s);

#endif
