/* The end of the line: masks and mixture come in, two FLAC files go out. */

#include "engine/writer.h"

#include <string.h>

#include <libavutil/mem.h>

#include "engine/apply.h"
#include "engine/encode.h"

struct Writer {
  Apply *apply;
  Encoder *foreground, *background;
  int channels;
  int64_t position; /* of the next step's output, from -delay on */
  int32_t *in, *out_foreground, *out_background; /* one step each */
};

static int open_buffers (Writer *w) {
  size_t step = (size_t)apply_hop(w->apply) * (size_t)w->channels;
  w->in = av_calloc(step, sizeof *w->in);
  w->out_foreground = av_calloc(step, sizeof *w->out_foreground);
  w->out_background = av_calloc(step, sizeof *w->out_background);
  return w->in && w->out_foreground && w->out_background ? 0 : -1;
}

Writer *writer_open (const char *foreground, const char *background,
                     const Format *format, Fault *fault) {
  Writer *w = av_mallocz(sizeof *w);
  if (w == NULL) {
    fault_memory(fault);
    return NULL;
  }
  w->channels = format->channels;
  w->apply = apply_open(format, fault);
  if (w->apply != NULL && open_buffers(w) < 0)
    fault_memory(fault);
  else if (w->apply != NULL) {
    w->position = -apply_delay(w->apply);
    w->foreground = encoder_open(foreground, format, fault);
    if (w->foreground != NULL)
      w->background = encoder_open(background, format, fault);
    if (w->background != NULL)
      return w;
  }
  writer_close(w);
  return NULL;
}

void writer_close (Writer *w) {
  if (w == NULL)
    return;
  encoder_close(w->foreground);
  encoder_close(w->background);
  apply_close(w->apply);
  av_freep(&w->in);
  av_freep(&w->out_foreground);
  av_freep(&w->out_background);
  av_free(w);
}

int64_t writer_count (const Writer *w) {
  return w->position;
}

/* The delay is a whole number of steps: they give nothing. */
static int write_step (Writer *w, int64_t total, Fault *fault) {
  int hop = apply_hop(w->apply);
  int64_t start = w->position;
  int n = total - start < hop ? (int)(total - start) : hop;
  w->position += n;
  if (start < 0)
    return 0;
  if (encoder_write(w->foreground, w->out_foreground, n, fault) < 0)
    return -1;
  return encoder_write(w->background, w->out_background, n, fault);
}

/* Past the mixture's end, the input is silence. */
static void step (Writer *w, const Segment *s, Fifo *mixture) {
  int hop = apply_hop(w->apply);
  int got = fifo_pull(mixture, w->in, hop);
  size_t rest = (size_t)(hop - got) * (size_t)w->channels;
  memset(w->in + (size_t)got * (size_t)w->channels, 0, rest * sizeof *w->in);
  apply_step(w->apply, s, w->in, w->out_foreground, w->out_background);
}

int writer_add (Writer *w, Segment *s, Fifo *mixture, Fault *fault) {
  int64_t total = s->last ? fifo_total(mixture) : INT64_MAX / 2;
  int64_t end = (s->index + 1) * SEGMENT_CORE;
  while (s->last ? w->position < total : apply_needs(w->apply) < end) {
    step(w, s, mixture);
    if (write_step(w, total, fault) < 0)
      return -1;
  }
  return 0;
}

int writer_finish (Writer *w, Fault *fault) {
  if (encoder_finish(w->foreground, fault) < 0)
    return -1;
  return encoder_finish(w->background, fault);
}
