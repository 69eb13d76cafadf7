/* The tasks of one data folder: found again at the next start, looked up by
** task id and by run id, never forgotten while the store is there.
**
**   data_dir/lock        held while a server uses the folder
**   data_dir/secret      the key that signs stem URLs
**   data_dir/last_run    the highest run id given so far
**   data_dir/tasks/      one folder per task, see task.h
**   data_dir/uploads/    what is arriving; ours is removed at every start */

#ifndef CAMB_SANDBOX_STORE_H
#define CAMB_SANDBOX_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/http/failure.h"
#include "sandbox/tasks/task.h"

typedef struct Store Store;

/* Open 'data_dir', making it if need be; NULL means a fresh folder that
** store_close removes.  NULL and 'why' on failure. */
Store *store_open (const char *data_dir, Failure *why);

/* The data folder's whole path, and the key of KEY_BYTES bytes in it. */
const char *store_folder (const Store *s);
const uint8_t *store_key (const Store *s);

/* The tasks that were pending at store_open, oldest first, linked by 'next';
** NULL when there is none, or when they were asked for before.  Only until
** tasks are worked on: then the workers own these links. */
Task *store_pending (Store *s);

/* A fresh folder for an upload; free() it.  NULL and errno on failure. */
char *store_upload_folder (Store *s);

/* Make 't', whose folder holds a finished upload, a task of the store: write
** its record, move its folder to its place, index it.  The store owns it then.
** False and errno on failure, 't' is then still the caller's. */
bool store_accept (Store *s, Task *t);

/* Record how a task ended, which may need a run id, and publish it.
** 'o->run_id' is set here when 'o->status' is SUCCESS. */
bool store_finish (Store *s, Task *t, Outcome *o);

/* A number that changes whenever a task is added or advances. */
unsigned long long store_version (const Store *s);

/* A worker has started 't'. */
void store_begin (Store *s, Task *t);

/* All tasks in the order in which they came to the store, in a fresh array of
** '*count'; NULL on out of memory. */
Task **store_tasks (Store *s, size_t *count);

/* The task with that id, or that run; NULL when there is none. */
Task *store_task (Store *s, const char *id);
Task *store_run (Store *s, int64_t run_id);

/* Unlock the folder, and remove it if it is temporary.  The tasks can still be
** looked up.  Idempotent. */
void store_close (Store *s);

/* Close and free.  NULL is fine. */
void store_free (Store *s);

#endif
