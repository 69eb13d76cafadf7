/* From a segment's samples to its mask. */

#include "engine/mask.h"

#include <math.h>

#include <libavutil/mem.h>

struct Masker {
  const Net *net;
  Room *room;
  Spectra spectra;
};

Masker *masker_open (const Net *net) {
  Masker *m = av_mallocz(sizeof *m);
  if (m == NULL)
    return NULL;
  m->net = net;
  m->room = net_room();
  if (m->room == NULL || spectra_open(&m->spectra) < 0) {
    masker_close(m);
    return NULL;
  }
  return m;
}

void masker_close (Masker *m) {
  if (m == NULL)
    return;
  net_leave(m->room);
  spectra_close(&m->spectra);
  av_free(m);
}

/* Shares along the lead's direction and across it become what each channel
** gets of itself and of the other: turned there, scaled, and turned back. */
static void turn_back (float *row, float c, float s) {
  for (int k = 0; k < GRID_BINS; k++) {
    float along = row[k], across = row[GRID_BINS + k];
    row[k] = c * c * along + s * s * across;
    row[GRID_BINS + k] = s * s * along + c * c * across;
    row[2 * GRID_BINS + k] = c * s * (along - across);
  }
}

/* Equal channels get equal shares. */
static void repeat (float *row) {
  for (int k = 0; k < GRID_BINS; k++) {
    row[GRID_BINS + k] = row[k];
    row[2 * GRID_BINS + k] = 0;
  }
}

void masker_run (Masker *m, Segment *s) {
  Spectra *spectra = &m->spectra;
  spectra_make(spectra, s);
  net_run(m->net, m->room, spectra, s->data);
  for (int t = 0; t < spectra->frames; t++) {
    float *row = s->data + (size_t)t * GRID_ROW;
    if (spectra->stereo)
      turn_back(row, cosf(spectra->angle), sinf(spectra->angle));
    else
      repeat(row);
  }
}
