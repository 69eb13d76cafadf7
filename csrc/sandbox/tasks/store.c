/* Tasks in memory and on disk. */

#include "sandbox/tasks/store.h"

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
  pthread_rwlock_t lock; /* of the two trees */
  void *by_id, *by_run;
  pthread_mutex_t runs; /* of last_run and its file */
  int64_t last_run;
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

/* Two records with one id: the first one found counts, the other folder is
** left alone for a person to look at. */
static void take_in (Store *s, Task *t) {
  if (!insert(s, &s->by_id, t, compare_ids)) {
    task_free(t);
    return;
  }
  if (t->run_id > s->last_run)
    s->last_run = t->run_id;
  if (t->run_id > 0)
    insert(s, &s->by_run, t, compare_runs);
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
      take_in(s, t);
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
  s->last_run = datadir_last_run(&s->dir);
  if (s->last_run < 0 || !scan(s)) {
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

/* twalk gives its callback no context, hence twalk_r; it visits every node
** with children three times. */
typedef struct Pending {
  bool failed; /* no memory */
  Task **list;
  size_t count, size;
} Pending;

static void collect (const void *node, VISIT visit, void *context) {
  Pending *p = context;
  Task *t = *(Task *const *)node;
  if ((visit != postorder && visit != leaf) || atomic_load(&t->ended))
    return;
  if (p->count == p->size) {
    size_t size = p->size ? 2 * p->size : 64;
    Task **list = realloc(p->list, size * sizeof *list);
    if (list == NULL) {
      p->failed = true;
      return;
    }
    p->list = list;
    p->size = size;
  }
  p->list[p->count++] = t;
}

static int by_age (const void *a, const void *b) {
  double x = (*(Task *const *)a)->created, y = (*(Task *const *)b)->created;
  return (x > y) - (x < y);
}

bool store_pending (Store *s, Task **list) {
  Pending p = {false, NULL, 0, 0};
  Task *first = NULL;
  twalk_r(s->by_id, collect, &p);
  if (p.count > 0)
    qsort(p.list, p.count, sizeof *p.list, by_age);
  while (p.count > 0) {
    Task *t = p.list[--p.count];
    t->next = first;
    first = t;
  }
  free(p.list);
  *list = first;
  return !p.failed;
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
  if (insert(s, &s->by_id, t, compare_ids))
    return true;
  files_remove_tree(place);
  return false;
}

/* Run ids are given one at a time and written down first, so that an id is
** never given twice, whatever happens to the task's folder. */
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
  return true;
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
  datadir_free(&s->dir);
  pthread_rwlock_destroy(&s->lock);
  pthread_mutex_destroy(&s->runs);
  free(s);
}
