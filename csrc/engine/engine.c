/* The built-in separation engine: one call from file to two files. */

#include "engine/engine.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavutil/log.h>

#include "engine/decode.h"
#include "engine/pipeline.h"
#include "engine/writer.h"

static pthread_once_t quiet = PTHREAD_ONCE_INIT;

/* FFmpeg talks to stderr; a library's caller hears of faults in the report. */
static void hush (void) {
  av_log_set_level(AV_LOG_QUIET);
}

static void describe (EngineReport *report, const Decoder *d, const Writer *w) {
  const Format *format = decoder_format(d);
  report->rate = format->rate;
  report->channels = format->channels;
  report->bits = format->bits;
  report->samples = writer_count(w);
  decoder_remark(d, report->message, sizeof report->message);
}

static int same_file (const char *a, const char *b) {
  struct stat one, two;
  return stat(a, &one) == 0 && stat(b, &two) == 0 && one.st_dev == two.st_dev &&
         one.st_ino == two.st_ino;
}

static int check_source (const char *input, const EngineOptions *options,
                         Fault *fault) {
  struct stat status;
  if (stat(input, &status) != 0)
    return 0; /* opening it will say why */
  if (!S_ISREG(status.st_mode))
    return fault_set(fault, FAULT_INTERNAL,
                     "cannot read the source: it is not a regular file");
  if (options->max_bytes > 0 && status.st_size > options->max_bytes)
    return fault_set(fault, FAULT_LARGE,
                     "the source has %lld bytes, and %lld is the limit here",
                     (long long)status.st_size, (long long)options->max_bytes);
  return 0;
}

/* Writing begins by emptying the stems' files. */
static int check_paths (const char *input, const char *foreground,
                        const char *background, Fault *fault) {
  if (same_file(input, foreground) || same_file(input, background) ||
      same_file(foreground, background) || strcmp(foreground, background) == 0)
    return fault_set(fault, FAULT_INTERNAL,
                     "the source and the two stems must be three files");
  return 0;
}

static int separate (Decoder *d, const char *foreground, const char *background,
                     const EngineOptions *options, EngineReport *report,
                     Fault *fault) {
  if (decoder_limit(d, options->max_seconds, fault) < 0)
    return -1;
  Writer *w = writer_open(foreground, background, decoder_format(d), fault);
  int code = -1;
  if (w != NULL)
    code = pipeline_run(d, w, options->workers, options->cancel, fault);
  if (code == 0)
    describe(report, d, w);
  writer_close(w);
  if (code < 0) {
    unlink(foreground);
    unlink(background);
  }
  return code;
}

int engine_separate (const char *input, const char *foreground,
                     const char *background, const EngineOptions *options,
                     EngineReport *report) {
  static const EngineOptions usual = {.workers = 1};
  Fault fault = {0};
  int code = -1;
  options = options != NULL ? options : &usual;
  memset(report, 0, sizeof *report);
  pthread_once(&quiet, hush);
  if (check_source(input, options, &fault) == 0 &&
      check_paths(input, foreground, background, &fault) == 0) {
    Decoder *d = decoder_open(input, options->cancel, &fault);
    if (d != NULL)
      code = separate(d, foreground, background, options, report, &fault);
    decoder_close(d);
  }
  if (code < 0) {
    report->reason = fault.reason;
    snprintf(report->message, sizeof report->message, "%s", fault.message);
  }
  return code;
}
