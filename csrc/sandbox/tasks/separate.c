/* Running the engine, and digesting what it made. */

#include "sandbox/tasks/separate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/command.h"
#include "engine/files.h"

static void set_failure (Separation *s, const char *reason,
                         const char *message) {
  s->reason = reason != NULL ? reason : "INTERNAL_ERROR";
  snprintf(s->message, sizeof s->message, "%s", message);
}

static EngineOptions engine_options (const Separator *how) {
  return (EngineOptions){.workers = how->threads,
                         .cancel = how->cancel,
                         .max_seconds = how->max_seconds,
                         .max_bytes = how->max_bytes};
}

static void run_engine (const Separator *how, const Task *t, const char *input,
                        Separation *s) {
  EngineOptions options = engine_options(how);
  EngineReport report;
  char *foreground = files_join(t->folder, "foreground.flac");
  char *background = files_join(t->folder, "background.flac");
  memset(&report, 0, sizeof report);
  if (foreground == NULL || background == NULL)
    set_failure(s, NULL, "There is not enough memory.");
  else if (engine_separate(input, foreground, background, &options, &report))
    set_failure(s, report.reason, report.message);
  else {
    strcpy(s->files[FOREGROUND], "foreground.flac");
    strcpy(s->files[BACKGROUND], "background.flac");
    snprintf(s->message, sizeof s->message, "%s", report.message);
  }
  free(foreground);
  free(background);
}

static void run_command (const Separator *how, const Task *t, const char *input,
                         Separation *s) {
  Command command = {how->command, how->command_seconds, how->cancel};
  EngineOptions options = engine_options(how);
  EngineReport source;
  if (engine_check(input, &options, &source) < 0)
    set_failure(s, source.reason, source.message);
  else if (!command_separate(&command, input, &source, t->folder, s->files,
                             s->message, sizeof s->message))
    s->reason = "PROCESSING_ERROR";
  else if (s->message[0] == '\0')
    snprintf(s->message, sizeof s->message, "%s", source.message);
}

static bool digest_stem (const Separator *how, const Task *t, Separation *s,
                         int which) {
  uint8_t digest[DIGEST_BYTES];
  char *path = files_join(t->folder, s->files[which]);
  bool ok = path != NULL && secret_digest(path, how->cancel, digest);
  if (ok)
    secret_hex(s->sha256[which], digest, sizeof digest);
  free(path);
  return ok;
}

bool separate_task (const Separator *how, const Task *t, Separation *s) {
  char *input = files_join(t->folder, t->input);
  memset(s, 0, sizeof *s);
  if (input == NULL)
    set_failure(s, NULL, "There is not enough memory.");
  else if (how->command != NULL)
    run_command(how, t, input, s);
  else
    run_engine(how, t, input, s);
  free(input);
  if (s->reason == NULL && !(digest_stem(how, t, s, FOREGROUND) &&
                             digest_stem(how, t, s, BACKGROUND)))
    set_failure(s, NULL, "The stems could not be read.");
  return !atomic_load(how->cancel);
}
