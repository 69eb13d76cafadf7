/* One thread, its work, and a pipe by which it reports what is done. */

#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "inherit.h"
#include "timers.h"

/* What is done is reported together with what is waiting, but after so long.  A
** wake-up costs more than to name a small stem; and a job has two. */
#define QUICK_US 2000

typedef struct WorkList {
  Work *first, **end;
} WorkList;

struct Worker {
  pthread_mutex_t mutex; /* of all below but the pipe and the process */
  pthread_cond_t change;
  pthread_t thread;
  pid_t process;
  int pipe[2];
  WorkList waiting, finished;
  Work *running;
  int64_t since_us; /* what runs, or is finished, was begun */
  bool told;        /* a byte is in the pipe */
  bool stop;
};

static void list_clear (WorkList *list) {
  list->first = NULL;
  list->end = &list->first;
}

static void list_add (WorkList *list, Work *work) {
  work->next = NULL;
  *list->end = work;
  list->end = &work->next;
}

static void list_remove (WorkList *list, const Work *work) {
  Work **at = &list->first;
  while (*at != NULL && *at != work)
    at = &(*at)->next;
  if (*at == NULL)
    return;
  *at = work->next;
  if (*at == NULL)
    list->end = at;
}

static Work *list_take (WorkList *list) {
  Work *work = list->first;
  if (work != NULL)
    list_remove(list, work);
  return work;
}

static void tell (Worker *w) {
  ssize_t n;
  if (w->told)
    return;
  do
    n = write(w->pipe[1], "", 1);
  while (n < 0 && errno == EINTR);
  w->told = true;
}

static void run_next (Worker *w) {
  w->running = list_take(&w->waiting);
  if (w->running == NULL) {
    pthread_cond_wait(&w->change, &w->mutex);
    return;
  }
  if (w->finished.first == NULL)
    w->since_us = clock_us();
  pthread_mutex_unlock(&w->mutex);
  w->running->run(w->running);
  pthread_mutex_lock(&w->mutex);
  list_add(&w->finished, w->running);
  w->running = NULL;
  pthread_cond_broadcast(&w->change);
  if (w->waiting.first == NULL || clock_us() - w->since_us >= QUICK_US)
    tell(w);
}

static void *work_on (void *argument) {
  Worker *w = argument;
  pthread_mutex_lock(&w->mutex);
  while (!w->stop)
    run_next(w);
  pthread_mutex_unlock(&w->mutex);
  return NULL;
}

/* Signals belong to the threads that were there before. */
static int start (Worker *w) {
  sigset_t all, before;
  int error;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(&w->thread, NULL, work_on, w);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error;
}

static int open_pipe (Worker *w) {
  if (pipe(w->pipe) != 0)
    return errno;
  for (int i = 0; i < 2; i++) {
    inherit_not(w->pipe[i]);
    fcntl(w->pipe[i], F_SETFL, fcntl(w->pipe[i], F_GETFL) | O_NONBLOCK);
  }
  return 0;
}

static void release (Worker *w) {
  close(w->pipe[0]);
  close(w->pipe[1]);
  free(w);
}

Worker *worker_open (void) {
  Worker *w = calloc(1, sizeof *w);
  int error;
  if (w == NULL)
    return NULL;
  w->process = getpid();
  list_clear(&w->waiting);
  list_clear(&w->finished);
  error = open_pipe(w);
  if (error != 0) {
    free(w);
    errno = error;
    return NULL;
  }
  pthread_mutex_init(&w->mutex, NULL);
  pthread_cond_init(&w->change, NULL);
  error = start(w);
  if (error == 0)
    return w;
  pthread_cond_destroy(&w->change);
  pthread_mutex_destroy(&w->mutex);
  release(w);
  errno = error;
  return NULL;
}

void worker_close (Worker *w) {
  if (w == NULL)
    return;
  if (w->process == getpid()) {
    pthread_mutex_lock(&w->mutex);
    w->stop = true;
    pthread_cond_broadcast(&w->change);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->change);
    pthread_mutex_destroy(&w->mutex);
  }
  release(w);
}

int worker_fd (const Worker *w) {
  return w->pipe[0];
}

void worker_begin (Worker *w, Work *work) {
  pthread_mutex_lock(&w->mutex);
  list_add(&w->waiting, work);
  pthread_cond_broadcast(&w->change);
  pthread_mutex_unlock(&w->mutex);
}

/* Under the lock: whatever is added later is announced later. */
static void drain (Worker *w) {
  char byte;
  ssize_t n;
  if (!w->told || w->finished.first != NULL)
    return;
  do
    n = read(w->pipe[0], &byte, 1);
  while (n < 0 && errno == EINTR);
  w->told = false;
}

Work *worker_next (Worker *w) {
  Work *work;
  pthread_mutex_lock(&w->mutex);
  work = list_take(&w->finished);
  drain(w);
  pthread_mutex_unlock(&w->mutex);
  return work;
}

void worker_cancel (Worker *w, Work *work) {
  pthread_mutex_lock(&w->mutex);
  list_remove(&w->waiting, work);
  while (w->running == work)
    pthread_cond_wait(&w->change, &w->mutex);
  list_remove(&w->finished, work);
  drain(w);
  pthread_mutex_unlock(&w->mutex);
}
