/* The built-in separation engine: one call from file to two files. */

#include "engine/engine.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/pipeline.h"
#include "engine/source.h"
#include "engine/writer.h"

const char *const stem_names[2] = {"foreground", "background"};

static int same_file (const char *a, const char *b) {
  struct stat one, two;
  return stat(a, &one) == 0 && stat(b, &two) == 0 && one.st_dev == two.st_dev &&
         one.st_ino == two.st_ino;
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
  Writer *w = writer_open(foreground, background, decoder_format(d), fault);
  int code = -1;
  if (w != NULL)
    code = pipeline_run(d, w, options, fault);
  if (code == 0)
    source_describe(d, writer_count(w), report);
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
  Fault fault = {0};
  Decoder *d = NULL;
  int code = -1;
  options = source_options(options);
  memset(report, 0, sizeof *report);
  if (check_paths(input, foreground, background, &fault) == 0)
    d = source_open(input, options, &fault);
  if (d != NULL)
    code = separate(d, foreground, background, options, report, &fault);
  decoder_close(d);
  return code < 0 ? source_fail(&fault, report) : 0;
}
