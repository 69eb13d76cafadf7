/* Tasks in memory and on disk. */

#include "sandbox/store.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/tasks/datadir.h"
#include "engine/files.h"

#define FIRST_RUN 1001

struct Store {
  DataDir dir;
  pthread_rwlock_t lock; /* of the two trees and the list */
  void *by_id, *by_run;
  Task **list; /* as they came */
  size_t count, room;
  atomic_ullong version;
  pthread_mutex_t runs; /* of last_run and its file */
  int64_t last_run;
  Task **pending; /* found by store_open */
  size_t pending_count, pending_size;
};

static int compare_ids (const void *a, const void *b) {
  return strcmp(((const Task *)a)->id, ((const Task *)b)->id);
}

static int compare_runs (const void *a, const void *b) {
  int64_t x = ((const Task *)a)->run_id, y = ((const Task *)b)->run_id;
  return (x > y) - (x < y);
}

static bool insert (Store *s, void **tree, Task *t,
                    int (*compare)(const void *, const void *)) {
  Task **node;
  pthread_rwlock_wrlock(&s->lock);
  node = tsearch(t, tree, compare);
  pthread_rwlock_unlock(&s->lock);
  errno = node == NULL ? ENOMEM : EEXIST;
  return node != NULL && *node == t;
}

static bool has_room (Store *s) {
  size_t room = s->room != 0 ? 2 * s->room : 64;
  Task **grown;
  if (s->count < s->room)
    return true;
  grown = realloc(s->list, room * sizeof *grown);
  if (grown == NULL)
    return false;
  s->list = grown;
  s->room = room;
  return true;
}

/* Give 't' its id in the store.  False and errno: EEXIST, or ENOMEM. */
static bool add (Store *s, Task *t) {
  bool ok;
  pthread_rwlock_wrlock(&s->lock);
  ok = has_room(s);
  pthread_rwlock_unlock(&s->lock);
  errno = ENOMEM;
  if (!ok || !insert(s, &s->by_id, t, compare_ids))
    return false;
  pthread_rwlock_wrlock(&s->lock);
  s->list[s->count++] = t;
  pthread_rwlock_unlock(&s->lock);
  atomic_fetch_add(&s->version, 1);
  return true;
}

static Task *find (Store *s, void *const *tree, const Task *key,
                   int (*compare)(const void *, const void *)) {
  Task **node;
  pthread_rwlock_rdlock(&s->lock);
  node = tfind(key, tree, compare);
  pthread_rwlock_unlock(&s->lock);
  return node == NULL ? NULL : *node;
}

Task *store_task (Store *s, const char *id) {
  Task key = {.id = (char *)id};
  return find(s, &s->by_id, &key, compare_ids);
}

Task *store_run (Store *s, int64_t run_id) {
  Task key = {.run_id = run_id};
  return find(s, &s->by_run, &key, compare_runs);
}

static bool add_pending (Store *s, Task *t) {
  if (s->pending_count == s->pending_size) {
    size_t size = s->pending_size ? 2 * s->pending_size : 64;
    Task **list = realloc(s->pending, size * sizeof *list);
    if (list == NULL)
      return false;
    s->pending = list;
    s->pending_size = size;
  }
  s->pending[s->pending_count++] = t;
  return true;
}

/* Two records with one id: the first one found counts, the other folder is
** left alone for a person to look at.  False when memory runs out. */
static bool take_in (Store *s, Task *t) {
  if (!add(s, t)) {
    bool ok = errno != ENOMEM;
    task_free(t);
    return ok;
  }
  if (t->run_id > s->last_run)
    s->last_run = t->run_id;
  if (t->run_id > 0)
    insert(s, &s->by_run, t, compare_runs);
  return atomic_load(&t->ended) || add_pending(s, t);
}

/* False when memory runs out: a task that is passed over would be lost. */
static bool scan (Store *s) {
  DIR *folder = opendir(s->dir.tasks);
  struct dirent *entry;
  bool ok = folder != NULL;
  if (!ok)
    return false;
  while (ok && (entry = readdir(folder)) != NULL) {
    char *path;
    Task *t;
    if (entry->d_name[0] == '.')
      continue;
    errno = 0;
    path = files_join(s->dir.tasks, entry->d_name);
    t = path == NULL || !files_is_folder(path) ? NULL : task_read(path);
    ok = errno != ENOMEM;
    if (t != NULL)
      ok = take_in(s, t);
    free(path);
  }
  closedir(folder);
  return ok;
}

Store *store_open (const char *data_dir, Failure *why) {
  Store *s = calloc(1, sizeof *s);
  if (s == NULL) {
    fail(why, "file", "not enough memory");
    return NULL;
  }
  pthread_rwlock_init(&s->lock, NULL);
  pthread_mutex_init(&s->runs, NULL);
  if (!datadir_open(&s->dir, data_dir, why)) {
    store_free(s);
    return NULL;
  }
  s->last_run = s->dir.last_run;
  if (!scan(s)) {
    fail(why, "file", "cannot read the folder '%s': %s", s->dir.path,
         strerror(errno));
    store_free(s);
    return NULL;
  }
  if (s->last_run < FIRST_RUN - 1)
    s->last_run = FIRST_RUN - 1;
  return s;
}

const char *store_folder (const Store *s) {
  return s->dir.path;
}

const uint8_t *store_key (const Store *s) {
  return s->dir.key;
}

static int by_age (const void *a, const void *b) {
  double x = (*(Task *const *)a)->created, y = (*(Task *const *)b)->created;
  return (x > y) - (x < y);
}

Task *store_pending (Store *s) {
  Task *first = NULL;
  if (s->pending_count > 0)
    qsort(s->pending, s->pending_count, sizeof *s->pending, by_age);
  while (s->pending_count > 0) {
    Task *t = s->pending[--s->pending_count];
    t->next = first;
    first = t;
  }
  return first;
}

char *store_upload_folder (Store *s) {
  return datadir_upload_folder(&s->dir);
}

bool store_accept (Store *s, Task *t) {
  char *place;
  if (task_write(t, s->dir.kept) != 0)
    return false;
  place = datadir_admit(&s->dir, t->folder);
  if (place == NULL)
    return false;
  free(t->folder);
  t->folder = place;
  if (add(s, t))
    return true;
  files_remove_tree(place);
  return false;
}

/* Run ids are issued one by one and recorded first, so that none is issued
** twice, whatever happens to the task's folder. */
static int64_t next_run (Store *s) {
  int64_t run = -1;
  pthread_mutex_lock(&s->runs);
  if (s->last_run < INT64_MAX &&
      datadir_put_last_run(&s->dir, s->last_run + 1) == 0)
    run = ++s->last_run;
  pthread_mutex_unlock(&s->runs);
  return run;
}

bool store_finish (Store *s, Task *t, Outcome *o) {
  bool success = strcmp(o->status, "SUCCESS") == 0;
  if (success)
    o->run_id = next_run(s);
  if (o->run_id < 0 || !task_settle(t, o) || task_write(t, s->dir.kept) != 0 ||
      (success && !insert(s, &s->by_run, t, compare_runs)))
    return false;
  task_publish(t);
  atomic_fetch_add(&s->version, 1);
  return true;
}

unsigned long long store_version (const Store *s) {
  return atomic_load(&s->version);
}

void store_begin (Store *s, Task *t) {
  atomic_store(&t->begun, true);
  atomic_fetch_add(&s->version, 1);
}

Task **store_tasks (Store *s, size_t *count) {
  Task **copy;
  pthread_rwlock_rdlock(&s->lock);
  *count = s->count;
  copy = malloc((s->count + 1) * sizeof(Task *));
  if (copy != NULL && s->count > 0)
    memcpy(copy, s->list, s->count * sizeof(Task *));
  pthread_rwlock_unlock(&s->lock);
  return copy;
}

void store_close (Store *s) {
  datadir_close(&s->dir);
}

void store_free (Store *s) {
  if (s == NULL)
    return;
  store_close(s);
  while (s->by_run != NULL)
    tdelete(*(Task **)s->by_run, &s->by_run, compare_runs);
  while (s->by_id != NULL) {
    Task *t = *(Task **)s->by_id;
    tdelete(t, &s->by_id, compare_ids);
    task_free(t);
  }
  free(s->pending);
  free(s->list);
  datadir_free(&s->dir);
  pthread_rwlock_destroy(&s->lock);
  pthread_mutex_destroy(&s->runs);
  free(s);
}
