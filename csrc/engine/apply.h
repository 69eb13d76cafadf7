/* Applies the mask to every channel of the mixture at its own rate.
**
** The mask is interpolated onto a grid of the mixture's rate (the same grid
** at 44.1 kHz), so stems never pass a resampler: they keep the mixture's
** length to the sample, its alignment and its upper octave.  Of two channels
** what lies along the lead's direction and what lies across it are scaled, less
** what the other one tells of the background: a Wiener filter for two channels,
** whose background has the coherence of the mixture (Duong, Vincent, Gribonval,
** Under-determined reverberant audio source separation using a full-rank
** spatial covariance model, IEEE TASLP 2010).  The background is mixture -
** foreground in integers, so the two sum to it exactly. */

#ifndef CAMB_ENGINE_APPLY_H
#define CAMB_ENGINE_APPLY_H

#include "engine/fault.h"
#include "engine/format.h"
#include "engine/segment.h"

typedef struct Apply Apply;

Apply *apply_open (const Format *format, Fault *fault);
void apply_close (Apply *a);

/* Samples per channel that one step takes, and gives. */
int apply_hop (const Apply *a);

/* The frame of the mask up to which the next step looks. */
int64_t apply_needs (const Apply *a);

/* How far behind its input, in samples per channel, a step's output lies: the
** first steps give what was before the mixture's start. */
int apply_delay (const Apply *a);

/* Take the next samples 'in', give the same number of samples of both stems,
** all interleaved.  'mask' must hold the frames that the step needs. */
void apply_step (Apply *a, const Segment *mask, const int32_t *in,
                 int32_t *foreground, int32_t *background);

#endif
