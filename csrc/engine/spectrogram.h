/* The spectrogram of a sound whose length is not known before its end: columns
** of equal time, rows of equal width on the mel scale.  Memory depends on their
** numbers alone. */

#ifndef CAMB_ENGINE_SPECTROGRAM_H
#define CAMB_ENGINE_SPECTROGRAM_H

#include <stdint.h>

typedef struct Spectrogram Spectrogram;

/* For samples at 'rate' whose full scale is 'scale'.  NULL without memory. */
Spectrogram *spectrogram_new (int columns, int rows, int rate, double scale);
void spectrogram_free (Spectrogram *s);

/* From where to where the rows reach, in Hz. */
double spectrogram_lowest (const Spectrogram *s);
double spectrogram_highest (const Spectrogram *s);

/* Add 'n' samples of each of 'channels', interleaved; their mean counts. */
void spectrogram_add (Spectrogram *s, const int32_t *samples, int n,
                      int channels);

/* After the last sample: columns * rows cells, the highest row first.  0 stands
** for -96 dB or less, 255 for a sine of full scale. */
void spectrogram_read (Spectrogram *s, uint8_t *cells);

#endif
