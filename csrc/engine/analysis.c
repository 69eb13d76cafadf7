/* One segment on its way from samples to mask: the buffers and the order. */

#include "engine/analysis.h"

#include <string.h>

#include <libavutil/mem.h>

static float *open_plane (void) {
  return av_malloc_array(SEGMENT_PLANE, sizeof(float));
}

static float *open_frames (void) {
  return av_malloc_array(SEGMENT_FRAMES, sizeof(float));
}

int analysis_init (Analysis *a, Carry *carry, const Weights *weights) {
  memset(a, 0, sizeof *a);
  a->carry = carry;
  a->weights = weights;
  a->level = open_plane();
  a->rough = open_plane();
  a->left = open_plane();
  a->right = open_plane();
  a->cross = open_plane();
  a->scratch = open_plane();
  a->offset = open_frames();
  a->energy = open_frames();
  a->share = open_frames();
  a->pitch = pitch_open();
  if (!a->level || !a->rough || !a->left || !a->right || !a->cross ||
      !a->scratch || !a->offset || !a->energy || !a->share || !a->pitch)
    return -1;
  return stft_init(&a->stft, GRID_N);
}

void analysis_free (Analysis *a) {
  av_freep(&a->level);
  av_freep(&a->rough);
  av_freep(&a->left);
  av_freep(&a->right);
  av_freep(&a->cross);
  av_freep(&a->scratch);
  av_freep(&a->offset);
  av_freep(&a->energy);
  av_freep(&a->share);
  pitch_close(a->pitch);
  a->pitch = NULL;
  stft_free(&a->stft);
}

void analysis_run (Analysis *a, const Segment *s) {
  spectra_make(a, s);
  rough_make(a);
  pan_apply(a);
  activity_measure(a);
  pitch_apply(a);
  activity_apply(a);
}
