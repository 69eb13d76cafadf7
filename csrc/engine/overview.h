/* What a recording looks like: its waveform and its spectrogram, in one pass
** and constant memory. */

#ifndef CAMB_ENGINE_OVERVIEW_H
#define CAMB_ENGINE_OVERVIEW_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/fault.h"

typedef struct Overview {
  /* Set by the caller; 0: without. */
  int peaks;                 /* columns of the waveform */
  int columns, rows;         /* of the spectrogram */
  const atomic_bool *cancel; /* may be NULL */

  int rate;               /* Hz */
  int channels;           /* of the recording */
  int64_t samples;        /* per channel */
  double scale;           /* full scale of 'lows' and 'highs' */
  int32_t *lows, *highs;  /* see peaks_read; NULL: without */
  uint8_t *cells;         /* see spectrogram_read; NULL: without */
  double lowest, highest; /* Hz, of the spectrogram */
} Overview;

/* Fill 'o', zeroed but for what the caller sets.  Returns 0 or -1; free it
** either way.  Blocks. */
int overview_make (Overview *o, const char *path, Fault *fault);
void overview_free (Overview *o);

#endif
