/* A program that is run to its end, or as long as it may. */

#ifndef CAMB_ENGINE_PROCESS_H
#define CAMB_ENGINE_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Process {
  char **words;              /* the program, its arguments, NULL */
  const char *out, *err;     /* files for what it prints: made anew, the last
                             ** of it kept where it is more than a megabyte */
  double seconds;            /* until it is killed */
  const atomic_bool *cancel; /* it is killed when this becomes true */
} Process;

/* Run it, without a shell, and wait.  Nothing that it began is left running,
** however it ends, nor when this process ends.  True when it ended well; else
** 'message' is one sentence, with the end of what it wrote to standard error.
** Blocks. */
bool process_run (const Process *p, char *message, size_t size);

#endif
