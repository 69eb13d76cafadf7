/* The list of faults, and which request gets which. */

#include "sandbox/faults/fault.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct Faults {
  pthread_mutex_t mutex;
  Fault *first;
};

Fault *fault_new (size_t count) {
  Fault *f = calloc(1, sizeof *f + count * sizeof f->pieces[0]);
  if (f == NULL)
    return NULL;
  atomic_init(&f->references, 1);
  f->count = count;
  f->cut = -1;
  return f;
}

void fault_release (Fault *f) {
  if (f == NULL || atomic_fetch_sub(&f->references, 1) > 1)
    return;
  for (size_t i = 0; i < f->count; i++)
    free(f->pieces[i].bytes);
  free(f->path);
  free(f->etag);
  free(f);
}

Faults *faults_new (void) {
  Faults *list = calloc(1, sizeof *list);
  if (list != NULL)
    pthread_mutex_init(&list->mutex, NULL);
  return list;
}

void faults_add (Faults *list, Fault *f) {
  Fault **at = &list->first;
  pthread_mutex_lock(&list->mutex);
  while (*at != NULL)
    at = &(*at)->next;
  *at = f;
  f->listed = true;
  pthread_mutex_unlock(&list->mutex);
}

static void unlist (Faults *list, Fault *f) {
  Fault **at = &list->first;
  while (*at != f)
    at = &(*at)->next;
  *at = f->next;
  f->listed = false;
  fault_release(f);
}

void faults_clear (Faults *list) {
  pthread_mutex_lock(&list->mutex);
  while (list->first != NULL)
    unlist(list, list->first);
  pthread_mutex_unlock(&list->mutex);
}

/* Several faults may match a request; the first with something left to do, even
** if only to let the request pass, takes it. */
static bool wants (Fault *f, const Operation *step, const char *path) {
  if (f->step != step || (f->path != NULL && strstr(path, f->path) == NULL))
    return false;
  if (f->skip == 0)
    return f->times > 0;
  f->skip--;
  return false;
}

Fault *faults_take (Faults *list, const Operation *step, const char *path) {
  Fault *f;
  pthread_mutex_lock(&list->mutex);
  for (f = list->first; f != NULL && !wants(f, step, path);)
    f = f->next;
  if (f != NULL) {
    if (f->times != WITHOUT_END)
      f->times--;
    f->away++;
    atomic_fetch_add(&f->references, 1);
  }
  pthread_mutex_unlock(&list->mutex);
  return f;
}

/* Until all faults that were taken have struck, one may be given back. */
void faults_settle (Faults *list, Fault *f, bool struck) {
  pthread_mutex_lock(&list->mutex);
  f->away--;
  if (!struck && f->times != WITHOUT_END)
    f->times++;
  if (f->listed && f->times == 0 && f->away == 0)
    unlist(list, f);
  pthread_mutex_unlock(&list->mutex);
  fault_release(f);
}

void faults_free (Faults *list) {
  if (list == NULL)
    return;
  faults_clear(list);
  pthread_mutex_destroy(&list->mutex);
  free(list);
}
