/* The extremes of a sound, for columns of equal time. */

#include "engine/peaks.h"

#include <string.h>

#include <libavutil/mem.h>

enum { BINS = 64 }; /* for each column, at most; at least half of that */

typedef struct Extremes {
  int32_t low, high;
} Extremes;

/* Bins of 'width' samples; when all are used, pairs of them become one. */
struct Peaks {
  int columns;
  int count; /* of full bins */
  int room;
  int64_t width;
  int64_t filled; /* samples in the bin behind the full ones */
  Extremes bins[];
};

Peaks *peaks_new (int columns) {
  size_t room = (size_t)columns * BINS;
  Peaks *p = av_mallocz(sizeof *p + (room + 1) * sizeof *p->bins);
  if (p == NULL)
    return NULL;
  p->columns = columns;
  p->room = (int)room;
  p->width = 1;
  return p;
}

void peaks_free (Peaks *p) {
  av_free(p);
}

static void include (Extremes *e, int32_t low, int32_t high) {
  if (low < e->low)
    e->low = low;
  if (high > e->high)
    e->high = high;
}

static void halve (Peaks *p) {
  for (int i = 0; i < p->room / 2; i++) {
    p->bins[i] = p->bins[2 * i];
    include(&p->bins[i], p->bins[2 * i + 1].low, p->bins[2 * i + 1].high);
  }
  p->count = p->room / 2;
  p->width *= 2;
}

void peaks_add (Peaks *p, const int32_t *samples, int n, int channels) {
  for (int i = 0; i < n; i++, samples += channels) {
    Extremes *bin = &p->bins[p->count];
    if (p->filled == 0)
      *bin = (Extremes){samples[0], samples[0]};
    for (int c = 0; c < channels; c++)
      include(bin, samples[c], samples[c]);
    if (++p->filled < p->width)
      continue;
    p->filled = 0;
    if (++p->count == p->room)
      halve(p);
  }
}

void peaks_read (Peaks *p, int32_t *lows, int32_t *highs) {
  int64_t count = p->count + (p->filled > 0);
  for (int i = 0; i < p->columns; i++) {
    int64_t first = i * count / p->columns;
    int64_t end = (i + 1) * count / p->columns;
    Extremes e = count > 0 ? p->bins[first] : (Extremes){0, 0};
    for (int64_t k = first + 1; k < end; k++)
      include(&e, p->bins[k].low, p->bins[k].high);
    lows[i] = e.low;
    highs[i] = e.high;
  }
}
