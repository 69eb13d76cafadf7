/* One task's input becomes its two stems: by the engine that is linked in, or
** by a command. */

#ifndef CAMB_SANDBOX_TASKS_SEPARATE_H
#define CAMB_SANDBOX_TASKS_SEPARATE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "sandbox/tasks/task.h"

typedef struct Separator {
  const char *const *command; /* its words; NULL: the linked-in engine */
  double command_seconds;     /* until it is killed */
  int threads;                /* for one file */
  double max_seconds;         /* of a source; 0: no limit */
  int64_t max_bytes;          /* of a source; 0: no limit */
  const atomic_bool *cancel;  /* looked at all the time */
} Separator;

/* What came of it; the strings of an Outcome may point in here. */
typedef struct Separation {
  char files[2][32]; /* names within the task's folder, "" on failure */
  char sha256[2][DIGEST_HEX];
  const char *reason; /* static, NULL when it went well */
  char message[1024]; /* "" when there is none */
} Separation;

/* Separate t's input within its folder.  False when it was cancelled; else
** 's' says how it ended.  Blocks. */
bool separate_task (const Separator *how, const Task *t, Separation *s);

#endif
