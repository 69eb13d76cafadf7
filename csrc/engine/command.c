/* A program in place of the built-in engine. */

#include "engine/command.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/engine.h"
#include "engine/files.h"
#include "engine/process.h"

#define DEPTH_MAX 4       /* of folders that it makes in its folder */
#define SLACK_SECONDS 0.5 /* by which a stem may differ in length: encoders */
                          /* of lossy formats add to it */

/* One run: what is known of it, and where to say what went wrong. */
typedef struct Run {
  const Command *command;
  const char *input, *folder;
  char *stems; /* the folder that the command fills */
  EngineReport source;
  char *message;
  size_t size;
} Run;

/* --- words ---------------------------------------------------------------- */

static size_t length_of (const char *const *words, size_t *count) {
  size_t bytes = 0;
  for (*count = 0; words[*count] != NULL; ++*count)
    bytes += strlen(words[*count]) + 1;
  return bytes;
}

char **command_copy (const char *const *words) {
  size_t count, bytes = length_of(words, &count);
  char **copy = malloc((count + 1) * sizeof *copy + bytes);
  char *to = (char *)(copy + count + 1);
  if (copy == NULL)
    return NULL;
  for (size_t i = 0; i < count; i++) {
    copy[i] = strcpy(to, words[i]);
    to += strlen(to) + 1;
  }
  copy[count] = NULL;
  return copy;
}

static bool begins (const char **word, const char *name) {
  size_t n = strlen(name);
  if (strncmp(*word, name, n) != 0)
    return false;
  *word += n;
  return true;
}

/* 'word' with its placeholders filled, in fresh memory.  Inserted text is not
** scanned again: a path may look like a placeholder. */
static char *fill_in (const Run *r, const char *word) {
  char *text = NULL;
  size_t n;
  FILE *f = open_memstream(&text, &n);
  while (f != NULL && *word != '\0')
    if (begins(&word, COMMAND_INPUT))
      fputs(r->input, f);
    else if (begins(&word, COMMAND_OUTPUT))
      fputs(r->stems, f);
    else
      putc(*word++, f);
  if (f == NULL || fclose(f) == 0)
    return text;
  free(text);
  return NULL;
}

static void free_words (char **words) {
  for (char **w = words; w != NULL && *w != NULL; w++)
    free(*w);
  free(words);
}

/* The command's words as they are run. */
static char **make_words (const Run *r) {
  size_t count;
  (void)length_of(r->command->words, &count);
  char **words = calloc(count + 1, sizeof *words);
  for (size_t i = 0; words != NULL && i < count; i++) {
    words[i] = fill_in(r, r->command->words[i]);
    if (words[i] == NULL) {
      free_words(words);
      return NULL;
    }
  }
  return words;
}

/* --- stems ---------------------------------------------------------------- */

static bool fail (const Run *r, const char *message) {
  snprintf(r->message, r->size, "%s", message);
  return false;
}

/* The path of the first <name>.<ext> at 'folder' or below, in fresh memory. */
static char *find (const char *folder, const char *name, int depth) {
  DIR *list = opendir(folder);
  struct dirent *entry;
  size_t n = strlen(name);
  char *found = NULL;
  while (list != NULL && found == NULL && (entry = readdir(list)) != NULL) {
    char *path = files_join(folder, entry->d_name);
    struct stat st;
    bool there =
      path != NULL && entry->d_name[0] != '.' && lstat(path, &st) == 0;
    if (there && S_ISREG(st.st_mode) && strncmp(entry->d_name, name, n) == 0 &&
        entry->d_name[n] == '.' && strlen(entry->d_name) < 32) {
      found = path;
      continue;
    }
    if (there && S_ISDIR(st.st_mode) && depth > 0)
      found = find(path, name, depth - 1);
    free(path);
  }
  if (list != NULL)
    closedir(list);
  return found;
}

static double seconds_of (const EngineReport *report) {
  return (double)report->samples / report->rate;
}

/* A command that died halfway, or lied, must not look as if it had worked. */
static bool check (const Run *r, const char *path) {
  EngineOptions options = {.cancel = r->command->cancel};
  EngineReport stem;
  const char *name = strrchr(path, '/') + 1;
  const char *what = NULL;
  if (engine_check(path, &options, &stem) < 0)
    what = "cannot be decoded";
  else if (stem.message[0] != '\0')
    what = "is damaged or cut off";
  if (what != NULL) {
    snprintf(r->message, r->size, "The engine's command left a %s that %s.",
             name, what);
    return false;
  }
  double there = seconds_of(&stem), wanted = seconds_of(&r->source);
  if (there - wanted <= SLACK_SECONDS && wanted - there <= SLACK_SECONDS)
    return true;
  snprintf(r->message, r->size,
           "The engine's command left a %s of %.3f seconds for a source of "
           "%.3f seconds.",
           name, there, wanted);
  return false;
}

static bool take_stem (const Run *r, const char *path, char file[32]) {
  const char *name = strrchr(path, '/') + 1;
  char *to = files_join(r->folder, name);
  bool ok = to != NULL && rename(path, to) == 0;
  strcpy(file, name);
  free(to);
  return ok || fail(r, "The stems cannot be moved.");
}

static bool complement (const Run *r, const char *vocals, char files[2][32]) {
  EngineOptions options = {.cancel = r->command->cancel};
  EngineReport report;
  char *paths[2];
  bool ok = false;
  for (int i = 0; i < 2; i++) {
    snprintf(files[i], sizeof files[i], "%s.flac", stem_names[i]);
    paths[i] = files_join(r->folder, files[i]);
  }
  if (paths[0] != NULL && paths[1] != NULL) {
    ok = engine_complement(r->input, vocals, paths[FOREGROUND],
                           paths[BACKGROUND], &options, &report) == 0;
    snprintf(r->message, r->size, "%s%s",
             ok || strcmp(report.reason, "PROCESSING_ERROR") != 0
               ? ""
               : "The engine's command left vocals that do not fit: ",
             report.message);
  }
  free(paths[0]);
  free(paths[1]);
  return ok;
}

static bool take_stems (const Run *r, char files[2][32]) {
  char *stems[2], *vocals = NULL;
  bool ok;
  for (int i = 0; i < 2; i++)
    stems[i] = find(r->stems, stem_names[i], DEPTH_MAX);
  if (stems[0] == NULL || stems[1] == NULL)
    vocals = find(r->stems, "vocals", DEPTH_MAX);
  if (vocals != NULL)
    ok = check(r, vocals) && complement(r, vocals, files);
  else if (stems[0] != NULL && stems[1] != NULL)
    ok = check(r, stems[0]) && check(r, stems[1]) &&
         take_stem(r, stems[0], files[0]) && take_stem(r, stems[1], files[1]);
  else
    ok = fail(r, "The engine's command left neither foreground and background "
                 "nor vocals.");
  free(stems[0]);
  free(stems[1]);
  free(vocals);
  return ok;
}

/* --- the run -------------------------------------------------------------- */

static bool run (const Run *r) {
  char **words = make_words(r);
  char *out = files_join(r->folder, "engine.log");
  char *err = files_join(r->folder, "engine.err");
  Process process = {words, out, err, r->command->seconds, r->command->cancel};
  bool ok = words != NULL && out != NULL && err != NULL;
  ok = ok ? process_run(&process, r->message, r->size)
          : fail(r, "There is not enough memory.");
  free_words(words);
  free(out);
  free(err);
  return ok;
}

bool command_separate (const Command *c, const char *input,
                       const EngineReport *source, const char *folder,
                       char files[2][32], char *message, size_t size) {
  Run r = {c,       input,   folder, files_join(folder, "stems"),
           *source, message, size};
  bool ok = false;
  message[0] = '\0';
  if (r.stems == NULL)
    return fail(&r, "There is not enough memory.");
  files_remove_tree(r.stems);
  if (mkdir(r.stems, 0700) != 0)
    fail(&r, "The folder for the stems cannot be made.");
  else
    ok = run(&r) && take_stems(&r, files);
  files_remove_tree(r.stems);
  free(r.stems);
  return ok;
}
