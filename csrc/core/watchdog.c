/* A thread that shuts down the socket of a call that blocks for too long. */

#include "core/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/timers.h"

/* A new descriptor has the lowest number that is free; a few more are looked
** at, as other threads open some, too. */
#define WINDOW 32
/* Between two checks of a call, and the time left to a call in a hurry. */
#define SLICE_MS 200
#define HURRY_MS 1000

typedef struct Identity {
  dev_t device;
  ino_t inode; /* 0: no stream that is or was connected */
} Identity;

struct Watchdog {
  pthread_mutex_t mutex; /* of all below */
  pthread_cond_t change;
  pthread_t thread;
  pid_t process;
  const volatile sig_atomic_t *hurry;
  int first; /* of the window */
  Identity known[WINDOW];
  int fd; /* the socket; -1: not found so far */
  Identity socket;
  long long began, ends; /* the call; 0: there is none */
  bool fired, asleep, stop;
};

static Identity identify (int fd) {
  Identity none, found;
  struct stat file;
  int type = 0;
  socklen_t size = sizeof type;
  memset(&none, 0, sizeof none);
  if (fstat(fd, &file) != 0 || !S_ISSOCK(file.st_mode) ||
      getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
      type != SOCK_STREAM)
    return none;
  found.device = file.st_dev;
  found.inode = file.st_ino;
  return found;
}

static bool is_same (Identity a, Identity b) {
  return a.inode == b.inode && a.device == b.device;
}

static int lowest_free (void) {
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (fd >= 0)
    close(fd);
  return fd < 0 ? 0 : fd;
}

static void find_socket (Watchdog *w) {
  for (int i = 0; w->fd < 0 && i < WINDOW; i++) {
    Identity found = identify(w->first + i);
    if (found.inode != 0 && !is_same(found, w->known[i])) {
      w->fd = w->first + i;
      w->socket = found;
    }
  }
}

/* The number may be another file's by now. */
static bool has_socket (const Watchdog *w) {
  return w->fd >= 0 && is_same(identify(w->fd), w->socket);
}

/* A library that connects may move on to another address, with a new socket. */
static void cut (Watchdog *w) {
  int adopted = w->fd;
  find_socket(w);
  if (has_socket(w))
    shutdown(w->fd, SHUT_RDWR);
  w->fd = adopted;
  w->fired = true;
}

static bool is_over (const Watchdog *w, long long now) {
  return now >= w->ends || (*w->hurry != 0 && now - w->began >= HURRY_MS);
}

static void wait_slice (Watchdog *w) {
  struct timespec until;
#ifdef __APPLE__
  clock_gettime(CLOCK_REALTIME, &until);
#else
  clock_gettime(CLOCK_MONOTONIC, &until);
#endif
  until.tv_nsec += SLICE_MS * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_cond_timedwait(&w->change, &w->mutex, &until);
}

static void *watch (void *argument) {
  Watchdog *w = argument;
  pthread_mutex_lock(&w->mutex);
  while (!w->stop) {
    if (w->ends == 0) {
      w->asleep = true;
      pthread_cond_wait(&w->change, &w->mutex);
      w->asleep = false;
    } else {
      if (is_over(w, clock_ms()))
        cut(w);
      wait_slice(w);
    }
  }
  pthread_mutex_unlock(&w->mutex);
  return NULL;
}

/* Signals belong to the threads that were there before. */
static int start (Watchdog *w) {
  sigset_t all, before;
  int error;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(&w->thread, NULL, watch, w);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error;
}

static int prepare (Watchdog *w) {
  pthread_condattr_t attributes;
  int error = pthread_condattr_init(&attributes);
  if (error != 0)
    return error;
#ifndef __APPLE__
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
  error = pthread_cond_init(&w->change, &attributes);
  pthread_condattr_destroy(&attributes);
  return error;
}

Watchdog *watchdog_open (const volatile sig_atomic_t *hurry) {
  Watchdog *w = calloc(1, sizeof *w);
  if (w == NULL)
    return NULL;
  w->hurry = hurry;
  w->process = getpid();
  w->fd = -1;
  w->first = lowest_free();
  for (int i = 0; i < WINDOW; i++)
    w->known[i] = identify(w->first + i);
  pthread_mutex_init(&w->mutex, NULL);
  if (prepare(w) != 0) {
    free(w);
    return NULL;
  }
  if (start(w) != 0) {
    pthread_cond_destroy(&w->change);
    free(w);
    return NULL;
  }
  return w;
}

bool watchdog_adopt (Watchdog *w) {
  struct sockaddr_storage peer;
  socklen_t size = sizeof peer;
  bool connected;
  pthread_mutex_lock(&w->mutex);
  find_socket(w);
  connected =
    w->fd >= 0 && getpeername(w->fd, (struct sockaddr *)&peer, &size) == 0;
  pthread_mutex_unlock(&w->mutex);
  return connected;
}

void watchdog_begin (Watchdog *w, int ms) {
  pthread_mutex_lock(&w->mutex);
  w->began = clock_ms();
  w->ends = w->began + ms;
  w->fired = false;
  if (w->asleep)
    pthread_cond_signal(&w->change);
  pthread_mutex_unlock(&w->mutex);
}

bool watchdog_end (Watchdog *w) {
  bool fired;
  pthread_mutex_lock(&w->mutex);
  w->ends = 0;
  fired = w->fired;
  pthread_mutex_unlock(&w->mutex);
  return fired;
}

void watchdog_close_socket (Watchdog *w) {
  if (has_socket(w))
    close(w->fd);
  w->fd = -1;
}

/* In a child after fork there is no thread to wait for. */
void watchdog_close (Watchdog *w) {
  if (w == NULL || w->process != getpid())
    return;
  pthread_mutex_lock(&w->mutex);
  w->stop = true;
  pthread_cond_signal(&w->change);
  pthread_mutex_unlock(&w->mutex);
  pthread_join(w->thread, NULL);
  pthread_cond_destroy(&w->change);
  pthread_mutex_destroy(&w->mutex);
  free(w);
}
