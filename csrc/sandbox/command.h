/* A program in place of the built-in engine. */

#ifndef CAMB_SANDBOX_COMMAND_H
#define CAMB_SANDBOX_COMMAND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Run 'command' by the shell with two more arguments, the input's path and an
** empty folder in which it leaves foreground.<ext> and background.<ext>; they
** are moved to 'folder' and named in 'files'.  What it prints is kept in
** folder/engine.log.  When '*cancel' becomes true it is killed, with all that
** it started.  False and 'message' on failure.  Blocks. */
bool command_separate (const char *command, const char *input,
                       const char *folder, const atomic_bool *cancel,
                       char files[2][32], char *message, size_t size);

#endif
