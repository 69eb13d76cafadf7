/* Encodes an overview in letters. */

#include "sandbox/page/picture.h"

#include <math.h>
#include <stdlib.h>

#include "engine/overview.h"

static const char letters[] =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Of -1 to 1. */
static char letter_of_sample (double sample) {
  int level = (int)floor((sample + 1) * 31.5 + 0.5);
  return letters[level < 0 ? 0 : level > 63 ? 63 : level];
}

static char *write_waveform (const Overview *o) {
  char *out = malloc(2 * (size_t)o->peaks + 1), *at = out;
  if (out == NULL)
    return NULL;
  for (int i = 0; i < o->peaks; i++) {
    *at++ = letter_of_sample(o->lows[i] / o->scale);
    *at++ = letter_of_sample(o->highs[i] / o->scale);
  }
  *at = '\0';
  return out;
}

static char *write_cells (const Overview *o) {
  size_t n = (size_t)o->columns * (size_t)o->rows;
  char *out = malloc(n + 1);
  if (out == NULL)
    return NULL;
  for (size_t i = 0; i < n; i++)
    out[i] = letters[o->cells[i] / 4];
  out[n] = '\0';
  return out;
}

static int describe (Picture *p, const Overview *o, Fault *fault) {
  p->duration = (double)o->samples / o->rate;
  p->rate = o->rate;
  p->channels = o->channels;
  p->waveform = write_waveform(o);
  p->cells = write_cells(o);
  return p->waveform != NULL && p->cells != NULL ? 0 : fault_memory(fault);
}

int picture_make (Picture *p, const char *path, Fault *fault) {
  Overview o = {.peaks = p->peaks,
                .columns = p->columns,
                .rows = p->rows,
                .cancel = p->cancel};
  int result = overview_make(&o, path, fault);
  if (result == 0)
    result = describe(p, &o, fault);
  overview_free(&o);
  return result;
}

void picture_free (Picture *p) {
  free(p->waveform);
  free(p->cells);
  p->waveform = p->cells = NULL;
}
