/* One segment on its way from samples to mask, and the steps of that way.
**
** Each step reads what the earlier ones left, adds its features, weighted, to
** the logit, and may sharpen the rough magnitude of the lead.  All planes have
** 'frames' rows of GRID_ROW floats. */

#ifndef CAMB_ENGINE_ANALYSIS_H
#define CAMB_ENGINE_ANALYSIS_H

#include "engine/carry.h"
#include "engine/pitch.h"
#include "engine/segment.h"
#include "engine/stft.h"
#include "engine/weights.h"

typedef struct Analysis {
  const Weights *weights;
  Carry *carry;  /* what the segments before this one were like */
  int64_t index; /* of the segment */
  int frames;
  int channels;   /* 1 or 2 */
  int stereo;     /* two channels that differ */
  float angle;    /* of the lead between the channels, in radians */
  float *logit;   /* plane: the segment's own data, later the mask */
  float *level;   /* plane: root mean square magnitude over channels, V */
  float *rough;   /* plane: rough magnitude of the lead, Vv */
  float *left;    /* planes of two channels: energy of each, later energy */
  float *right;   /* off the lead's axis and on it, */
  float *cross;   /* and the real part of their cross spectrum, later free */
  float *scratch; /* plane */
  float *offset;  /* one per frame: features that are the same for all bins */
  float *energy;  /* one per frame: log energy of the rough lead, */
  float *share;   /* and that less the log energy of everything */
  float loud;     /* what 'energy' reaches in its loud moments */
  Spectrum mean;  /* of this segment and those before it */
  Pitch *pitch;   /* what pitch_apply works with */
  Stft stft;
} Analysis;

/* Fill a zeroed 'a' with buffers for segments of any kind.  Returns 0, or -1
** without memory; free it either way. */
int analysis_init (Analysis *a, Carry *carry, const Weights *weights);
void analysis_free (Analysis *a);

/* Samples to planes: left, right, cross, level; the logit becomes 0. */
void spectra_make (Analysis *a, const Segment *s);

/* The five median features, and from them the rough magnitude. */
void rough_make (Analysis *a);

/* Where the lead is, the three stereo features; the rough magnitude loses
** what is elsewhere. */
void pan_apply (Analysis *a);

/* How loud the rough lead is, frame by frame. */
void activity_measure (Analysis *a);

/* The lead's pitch and the four features that follow from it. */
void pitch_apply (Analysis *a);

/* The four features of activity.  Uses up level and rough. */
void activity_apply (Analysis *a);

/* All of the above for one segment, up to the logit without its bias. */
void analysis_run (Analysis *a, const Segment *s);

#endif
