/* A source, accepted or rejected. */

#include "engine/source.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <libavutil/log.h>

static pthread_once_t quiet = PTHREAD_ONCE_INIT;

/* FFmpeg writes to stderr; a library reports faults to its caller instead. */
static void hush (void) {
  av_log_set_level(AV_LOG_QUIET);
}

int source_check (const char *path, const EngineOptions *options,
                  Fault *fault) {
  struct stat status;
  pthread_once(&quiet, hush);
  if (stat(path, &status) != 0)
    return 0; /* opening it will say why */
  if (!S_ISREG(status.st_mode))
    return fault_set(fault, FAULT_INTERNAL,
                     "cannot read the source: it is not a regular file");
  if (options->max_bytes > 0 && status.st_size > options->max_bytes)
    return fault_set(fault, FAULT_LARGE,
                     "the source has %lld bytes; the limit is %lld",
                     (long long)status.st_size, (long long)options->max_bytes);
  return 0;
}

Decoder *source_open (const char *path, const EngineOptions *options,
                      Fault *fault) {
  Decoder *d;
  if (source_check(path, options, fault) < 0)
    return NULL;
  d = decoder_open(path, options->cancel, fault);
  if (d == NULL || decoder_limit(d, options->max_seconds, fault) == 0)
    return d;
  decoder_close(d);
  return NULL;
}

const EngineOptions *source_options (const EngineOptions *options) {
  static const EngineOptions usual = {.workers = 1};
  return options != NULL ? options : &usual;
}

void source_describe (const Decoder *d, int64_t samples, EngineReport *report) {
  const Format *format = decoder_format(d);
  report->rate = format->rate;
  report->channels = format->channels;
  report->bits = format->bits;
  report->samples = samples;
  decoder_remark(d, report->message, sizeof report->message);
}

int source_fail (const Fault *fault, EngineReport *report) {
  report->reason = fault->reason;
  snprintf(report->message, sizeof report->message, "%s", fault->message);
  return -1;
}
