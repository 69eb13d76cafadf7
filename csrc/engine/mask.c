/* From a segment's samples to its mask. */

#include "engine/mask.h"

#include <string.h>

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

void masker_run (Masker *m, Segment *s) {
  Spectra *spectra = &m->spectra;
  spectra_make(spectra, s);
  net_run(m->net, m->room, spectra, s->data);
  for (int t = 0; !spectra->stereo && t < spectra->frames; t++) {
    float *row = s->data + (size_t)t * GRID_ROW;
    memcpy(row + GRID_BINS, row, GRID_BINS * sizeof *row);
  }
}
