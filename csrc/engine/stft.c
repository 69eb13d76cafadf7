/* One frame of a short-time Fourier transform, there and back. */

#include "engine/stft.h"

#include <math.h>
#include <string.h>

#include <libavutil/mem.h>

static int make_window (Stft *s) {
  s->window = av_malloc_array((size_t)s->size, sizeof *s->window);
  if (s->window == NULL)
    return -1;
  for (int i = 0; i < s->size; i++)
    s->window[i] = (float)sqrt(0.5 - 0.5 * cos(2 * M_PI * i / s->size));
  return 0;
}

int stft_init (Stft *s, int size) {
  /* Four squared windows at a quarter's distance add up to 2, and the
  ** transform pair alone multiplies by N. */
  float one = 1, back = 0.5F / (float)size;
  memset(s, 0, sizeof *s);
  s->size = size;
  s->time = av_malloc_array((size_t)size, sizeof *s->time);
  s->spectrum = av_mallocz((size_t)(size / 2 + 1) * sizeof *s->spectrum);
  if (s->time == NULL || s->spectrum == NULL || make_window(s) < 0 ||
      av_tx_init(&s->forward, &s->run_forward, AV_TX_FLOAT_RDFT, 0, size, &one,
                 0) < 0 ||
      av_tx_init(&s->inverse, &s->run_inverse, AV_TX_FLOAT_RDFT, 1, size, &back,
                 0) < 0)
    return -1;
  return 0;
}

void stft_free (Stft *s) {
  av_tx_uninit(&s->forward);
  av_tx_uninit(&s->inverse);
  av_freep(&s->window);
  av_freep(&s->time);
  av_freep(&s->spectrum);
}

void stft_forward (Stft *s, const float *samples, int step) {
  for (int i = 0; i < s->size; i++)
    s->time[i] = samples[(ptrdiff_t)i * step] * s->window[i];
  s->run_forward(s->forward, s->spectrum, s->time, sizeof(float));
}

void stft_inverse_add (Stft *s, float *samples) {
  s->run_inverse(s->inverse, s->time, s->spectrum, sizeof(AVComplexFloat));
  for (int i = 0; i < s->size; i++)
    samples[i] += s->time[i] * s->window[i];
}
