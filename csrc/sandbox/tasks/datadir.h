/* The folder that a server keeps its state in, and the lock that keeps a
** second server out of it. */

#ifndef CAMB_SANDBOX_TASKS_DATADIR_H
#define CAMB_SANDBOX_TASKS_DATADIR_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/http/failure.h"
#include "sandbox/http/secret.h"

typedef struct DataDir {
  char *path, *tasks, *uploads; /* whole paths */
  int lock;                     /* the locked descriptor, -1 when closed */
  bool kept;                    /* false: temporary, removed at the end */
  uint8_t key[KEY_BYTES];
  int64_t last_run; /* the highest run id written down, 0 when none is */
} DataDir;

/* Make and lock 'path', or a fresh folder when it is NULL; remove what earlier
** uploads left, and nothing that a sandbox did not make.  'd' starts as zeros.
** False and 'why' on failure; datadir_close and datadir_free are due in both
** cases. */
bool datadir_open (DataDir *d, const char *path, Failure *why);

/* Record the highest run id.  -1 and errno on failure. */
int datadir_put_last_run (const DataDir *d, int64_t run);

/* A fresh folder under uploads/; free() it.  NULL and errno on failure. */
char *datadir_upload_folder (const DataDir *d);

/* Move such a folder to tasks/ and give its new path; free() it.  NULL and
** errno on failure, the folder is then where it was. */
char *datadir_admit (const DataDir *d, const char *folder);

/* Unlock; remove the folder unless it is kept.  Idempotent. */
void datadir_close (DataDir *d);

/* Free the strings. */
void datadir_free (DataDir *d);

#endif
