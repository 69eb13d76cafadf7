/* A process between this one and a program: everything that the program starts,
** even in sessions of its own, ends with it, and all of it ends with this
** process, even by SIGKILL.  On systems other than Linux that holds for the
** program's process group. */

#ifndef CAMB_ENGINE_KEEPER_H
#define CAMB_ENGINE_KEEPER_H

#include <spawn.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct Keeper {
  pid_t pid;
  int socket; /* readable once it has news; its end ends everything */
} Keeper;

/* Start the program 'words[0]', found in PATH, with the attributes, which must
** include a process group of its own, and the streams.  0, or an errno with
** nothing started; then 'k' needs no end. */
int keeper_start (Keeper *k, char *const *words, const posix_spawnattr_t *a,
                  const posix_spawn_file_actions_t *streams);

/* Wait for 'ms' at most.  True once the program and all that it began have
** ended. */
bool keeper_wait (const Keeper *k, int ms);

/* End what still runs, free what 'k' holds, and give the program's status, as
** of waitpid.  Blocks until all is gone. */
int keeper_end (Keeper *k);

#endif
