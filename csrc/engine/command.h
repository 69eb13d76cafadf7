/* A program in place of the built-in engine. */

#ifndef CAMB_ENGINE_COMMAND_H
#define CAMB_ENGINE_COMMAND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/engine.h"

/* What 'words' may hold, as they are or within a longer one. */
#define COMMAND_INPUT "{input}"
#define COMMAND_OUTPUT "{output_dir}"

typedef struct Command {
  const char *const *words;  /* the program, its arguments, NULL */
  double seconds;            /* until it is killed */
  const atomic_bool *cancel; /* it is killed when this becomes true */
} Command;

/* Fresh copy of a list of words, for one free(); NULL when out of memory. */
char **command_copy (const char *const *words);

/* Run 'c' with the input's path and an empty folder in place of its two
** placeholders.  Somewhere in that folder it leaves foreground.<ext> and
** background.<ext>, which are moved to 'folder', or vocals.<ext>, from which
** two FLAC files are made there: the voices, and the input less those.  Both
** are named in 'files'.  'source' is what engine_check said of the input.  What
** it prints is kept in folder/engine.log and folder/engine.err.  False and
** 'message' on failure.  Blocks. */
bool command_separate (const Command *c, const char *input,
                       const EngineReport *source, const char *folder,
                       char files[2][32], char *message, size_t size);

#endif
