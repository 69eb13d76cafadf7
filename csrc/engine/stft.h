/* One frame of a short-time Fourier transform, there and back, with a
** periodic square-root Hann window on both ways and a hop of a quarter.
** An Stft belongs to one thread at a time. */

#ifndef CAMB_ENGINE_STFT_H
#define CAMB_ENGINE_STFT_H

#include <libavutil/tx.h>

typedef struct Stft {
  int size; /* N: a power of two */
  float *window;
  float *time;              /* N */
  AVComplexFloat *spectrum; /* N / 2 + 1 bins */
  AVTXContext *forward, *inverse;
  av_tx_fn run_forward, run_inverse;
} Stft;

/* Fill a zeroed 's'.  Returns 0, or -1 without memory; free it either way. */
int stft_init (Stft *s, int size);
void stft_free (Stft *s);

/* s->spectrum = transform of N samples, windowed: every 'step'th from 'samples'
** on. */
void stft_forward (Stft *s, const float *samples, int step);

/* Add the windowed inverse of s->spectrum to the N samples at 'samples', so
** scaled that four overlapping frames give the signal back. */
void stft_inverse_add (Stft *s, float *samples);

#endif
