/* One separation, and its record on disk.
**
** A task lives in a folder of its own, data_dir/tasks/<any-name>/, with its
** input and its stems beside task.json, one JSON object:
**
**   "task_id"           string, needed: the id that clients use, any text
**   "status"            string, needed: "PENDING" queues the task at the next
**                       start; every other word ends it and is told as it is
**   "run_id"            integer above 0, or null: needed to reach the stems
**   "foreground",
**   "background"        names of the stems' files within the folder
**   "input"             name of the input's file within the folder
**   "exception_reason",
**   "message"           string or null
**   "file_name",
**   "content_type"      of the upload, as the client gave them
**   "size", "sha256"    of the upload
**   "fields"            object: the form's other fields
**   "foreground_sha256",
**   "background_sha256" in hex; without them a stem has no Repr-Digest
**   "created"           seconds since 1970; queued tasks keep this order
**
** Only the first two are needed, so a finished task is made by hand from
** {"task_id":"a","status":"SUCCESS","run_id":5000,
**  "foreground":"fg.flac","background":"bg.flac"} and two files.  File names
** hold no '/' and do not begin with '.'. */

#ifndef CAMB_SANDBOX_TASKS_TASK_H
#define CAMB_SANDBOX_TASKS_TASK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "engine/engine.h"
#include "sandbox/http/secret.h"

typedef struct Stem {
  char *file;              /* name within the task's folder; may be NULL */
  char sha256[DIGEST_HEX]; /* "" when not known */
} Stem;

/* Fields before 'ended' are set before the task is in the store; those between
** 'ended' and 'due_ms', before 'ended' becomes true.  None of them changes
** afterwards, so they are read without a lock. */
typedef struct Task {
  char *id, *folder; /* 'folder' is a whole path */
  char *file_name, *content_type, *input;
  int64_t size;
  char sha256[DIGEST_HEX];
  json_t *fields;
  double created;
  atomic_bool ended; /* until then a reader says PENDING and looks no further */
  char *status;
  int64_t run_id;         /* 0: none */
  char *reason, *message; /* NULL: null */
  Stem stems[2];
  atomic_bool begun; /* a worker has it, or had it */
  int64_t due_ms;    /* not to be worked on earlier, on the workers' clock */
  struct Task *next; /* in the workers' queue */
} Task;

/* How a task ended.  Strings are copied. */
typedef struct Outcome {
  const char *status, *reason, *message;
  int64_t run_id;
  const char *files[2];
  char sha256[2][DIGEST_HEX];
} Outcome;

/* The task whose record is folder/task.json.  NULL when there is none or it
** cannot be understood. */
Task *task_read (const char *folder);

/* Rewrite folder/task.json.  -1 and errno on failure. */
int task_write (const Task *t, bool sync);

/* Set how it ended, unseen by readers as yet: only the worker that has the
** task calls it.  False on out of memory. */
bool task_settle (Task *t, const Outcome *o);

/* Let readers see what was settled. */
void task_publish (Task *t);

/* Free it and what it holds.  NULL is fine. */
void task_free (Task *t);

#endif
