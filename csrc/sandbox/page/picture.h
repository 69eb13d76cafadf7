/* What a recording looks like, in the letters that the page reads. */

#ifndef CAMB_SANDBOX_PAGE_PICTURE_H
#define CAMB_SANDBOX_PAGE_PICTURE_H

#include <stdatomic.h>

#include "engine/fault.h"

typedef struct Picture {
  /* Set by the caller, above zero. */
  int peaks, columns, rows;
  const atomic_bool *cancel; /* NULL: it is not cancelled */

  double duration; /* seconds */
  int rate, channels;
  /* A letter of base64's alphabet for each level, 0 to 63, and a NUL. */
  char *waveform; /* lowest and highest of each column, -1 to 1 */
  char *cells;    /* of the spectrogram, the row of the highest notes first */
} Picture;

/* Fill 'p', zeroed but for what the caller sets.  Returns 0 or -1; free it
** either way.  Blocks. */
int picture_make (Picture *p, const char *path, Fault *fault);
void picture_free (Picture *p);

#endif
