/* The extremes of a sound whose length is not known before its end, for columns
** of equal time.  Memory depends on the number of columns alone; a column's
** borders are right to a 32nd of its width. */

#ifndef CAMB_ENGINE_PEAKS_H
#define CAMB_ENGINE_PEAKS_H

#include <stdint.h>

typedef struct Peaks Peaks;

/* NULL without memory. */
Peaks *peaks_new (int columns);
void peaks_free (Peaks *p);

/* Add 'n' samples of each of 'channels', interleaved. */
void peaks_add (Peaks *p, const int32_t *samples, int n, int channels);

/* After the last sample: the lowest and the highest sample, of any channel, in
** each column.  A sound of fewer samples has some of them in several. */
void peaks_read (Peaks *p, int32_t *lows, int32_t *highs);

#endif
