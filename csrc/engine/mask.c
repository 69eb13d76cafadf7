/* From a segment's samples to its mask. */

#include "engine/mask.h"

#include <math.h>
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

/* --- what the network is not sure of ------------------------------------- */

/* In music without a lead the network takes a little of everything; where there
** is one, some bins are all its own.  So the masks shrink where for seconds few
** come near 1, by the shares between 150 Hz and 5 kHz. */
enum { FIRST = 13, END = 464, REACH = 64 };
static const double SURE = 0.14;

/* Their mean, of the fourth power: the largest count. */
static double sureness (const float *row) {
  double sum = 0;
  for (int k = FIRST; k < END; k++) {
    float square = row[k] * row[k];
    sum += square * square;
  }
  return sqrt(sqrt(sum / (END - FIRST)));
}

static void shrink (float *row, float gain) {
  for (int k = 0; gain < 1 && k < 2 * GRID_BINS; k++)
    row[k] *= gain;
}

static void doubt (float *rows, int frames) {
  double sure[SEGMENT_FRAMES], sum = 0;
  int first = 0, end = 0;
  for (int t = 0; t < frames; t++)
    sure[t] = sureness(rows + (size_t)t * GRID_ROW);
  for (int t = 0; t < frames; t++) {
    while (end < frames && end <= t + REACH)
      sum += sure[end++];
    while (first < t - REACH)
      sum -= sure[first++];
    shrink(rows + (size_t)t * GRID_ROW,
           (float)(fmax(sum, 0) / (end - first) / SURE));
  }
}

void masker_run (Masker *m, Segment *s) {
  Spectra *spectra = &m->spectra;
  spectra_make(spectra, s);
  net_run(m->net, m->room, spectra, s->data);
  doubt(s->data, spectra->frames);
  for (int t = 0; !spectra->stereo && t < spectra->frames; t++) {
    float *row = s->data + (size_t)t * GRID_ROW;
    memcpy(row + GRID_BINS, row, GRID_BINS * sizeof *row);
  }
}
