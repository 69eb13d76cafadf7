/* Runs a program to its end, or to its time limit. */

#ifndef CAMB_ENGINE_PROCESS_H
#define CAMB_ENGINE_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Process {
  char **words;              /* the program, its arguments, NULL */
  const char *out, *err;     /* files for what it prints: emptied first; of more
                             ** than a megabyte, the end is kept */
  double seconds;            /* until it is killed */
  const atomic_bool *cancel; /* it is killed when this becomes true */
} Process;

/* Run it, without a shell, and wait.  Nothing that it started is left running,
** however it ends, or when this process ends.  True when it ended well; else
** 'message' is one sentence, with the end of what it wrote to standard error.
** Blocks. */
bool process_run (const Process *p, char *message, size_t size);

#endif
