/* What a recording looks like. */

#include "engine/overview.h"

#include <stdbool.h>

#include <libavutil/mem.h>

#include "engine/peaks.h"
#include "engine/source.h"
#include "engine/spectrogram.h"

typedef struct Work {
  Decoder *decoder;
  Peaks *peaks;
  Spectrogram *spectrogram;
} Work;

static int prepare_peaks (Overview *o, Work *w) {
  o->lows = av_calloc((size_t)o->peaks, sizeof *o->lows);
  o->highs = av_calloc((size_t)o->peaks, sizeof *o->highs);
  w->peaks = peaks_new(o->peaks);
  return o->lows && o->highs && w->peaks ? 0 : -1;
}

static int prepare_spectrogram (Overview *o, Work *w) {
  o->cells = av_mallocz((size_t)o->columns * (size_t)o->rows);
  w->spectrogram = spectrogram_new(o->columns, o->rows, o->rate, o->scale);
  if (o->cells == NULL || w->spectrogram == NULL)
    return -1;
  o->lowest = spectrogram_lowest(w->spectrogram);
  o->highest = spectrogram_highest(w->spectrogram);
  return 0;
}

static int prepare (Overview *o, Work *w, const char *path, Fault *fault) {
  w->decoder = source_open(path, source_options(NULL), fault);
  if (w->decoder == NULL)
    return -1;
  const Format *format = decoder_format(w->decoder);
  o->rate = format->rate;
  o->channels = format->channels;
  o->scale = format->bits == 16 ? 32768 : 8388608;
  if ((o->peaks > 0 && prepare_peaks(o, w) < 0) ||
      (o->columns > 0 && prepare_spectrogram(o, w) < 0))
    return fault_memory(fault);
  return 0;
}

static bool is_cancelled (const Overview *o) {
  return o->cancel != NULL && atomic_load(o->cancel);
}

static int look (Overview *o, Work *w, Fault *fault) {
  const int32_t *samples;
  int n;
  while ((n = decoder_read(w->decoder, &samples, fault)) > 0) {
    if (is_cancelled(o))
      return fault_set(fault, FAULT_INTERNAL, "cancelled");
    o->samples += n;
    if (w->peaks != NULL)
      peaks_add(w->peaks, samples, n, o->channels);
    if (w->spectrogram != NULL)
      spectrogram_add(w->spectrogram, samples, n, o->channels);
  }
  if (n == 0 && w->peaks != NULL)
    peaks_read(w->peaks, o->lows, o->highs);
  if (n == 0 && w->spectrogram != NULL)
    spectrogram_read(w->spectrogram, o->cells);
  return n;
}

int overview_make (Overview *o, const char *path, Fault *fault) {
  Work w = {0};
  int result = prepare(o, &w, path, fault);
  if (result == 0)
    result = look(o, &w, fault);
  decoder_close(w.decoder);
  peaks_free(w.peaks);
  spectrogram_free(w.spectrogram);
  return result;
}

void overview_free (Overview *o) {
  av_freep(&o->lows);
  av_freep(&o->highs);
  av_freep(&o->cells);
}
