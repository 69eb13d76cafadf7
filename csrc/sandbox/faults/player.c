/* The thread that plays. */

#include "sandbox/faults/player.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/faults/play.h"

struct Player {
  pthread_t thread;
  pthread_mutex_t mutex;
  Play *fresh;           /* guarded: not yet seen by the thread */
  bool stopping;         /* guarded */
  bool running;          /* the thread is to be joined */
  int wake[2], ended[2]; /* socket pairs; ended[1] is closed */
  Play *plays;           /* the thread's own, as all that follows */
  struct pollfd *polled;
  size_t room;
};

static double now (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void end_play (Player *p, Play *x) {
  MHD_resume_connection(play_end(x, p->ended[0]));
}

static size_t count_plays (const Player *p) {
  size_t n = 0;
  for (const Play *x = p->plays; x != NULL; x = x->next)
    n++;
  return n;
}

/* True to continue, false to stop. */
static bool fetch_fresh (Player *p) {
  char bytes[64];
  bool go_on;
  while (recv(p->wake[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
    ;
  pthread_mutex_lock(&p->mutex);
  while (p->fresh != NULL) {
    Play *x = p->fresh;
    p->fresh = x->next;
    x->next = p->plays;
    p->plays = x;
  }
  go_on = !p->stopping;
  pthread_mutex_unlock(&p->mutex);
  return go_on;
}

static bool make_room (Player *p, size_t n) {
  struct pollfd *grown;
  if (n <= p->room)
    return true;
  grown = realloc(p->polled, 2 * n * sizeof *grown);
  if (grown == NULL)
    return false;
  p->polled = grown;
  p->room = 2 * n;
  return true;
}

/* Wait until something can be done.  False when there is no memory to. */
static bool wait_all (Player *p) {
  double time = now(), wait = 3600;
  size_t n = 1;
  if (!make_room(p, 1 + count_plays(p)))
    return false;
  p->polled[0] = (struct pollfd){.fd = p->wake[0], .events = POLLIN};
  for (const Play *x = p->plays; x != NULL; x = x->next, n++)
    p->polled[n] =
      (struct pollfd){.fd = x->fd, .events = play_events(x, time, &wait)};
  if (poll(p->polled, (nfds_t)n, (int)(wait * 1000) + 1) < 0)
    for (size_t i = 0; i < n; i++)
      p->polled[i].revents = 0;
  return true;
}

static void step_all (Player *p) {
  Play **at = &p->plays;
  double time = now();
  for (size_t i = 1; *at != NULL; i++) {
    Play *x = *at;
    if (play_step(x, p->polled[i].revents, time)) {
      at = &x->next;
      continue;
    }
    *at = x->next;
    end_play(p, x);
  }
}

static void *run (void *context) {
  const struct timespec a_while = {0, 10000000};
  Player *p = context;
  while (fetch_fresh(p))
    if (wait_all(p))
      step_all(p);
    else
      nanosleep(&a_while, NULL); /* there may be memory again then */
  while (p->plays != NULL) {
    Play *x = p->plays;
    p->plays = x->next;
    end_play(p, x);
  }
  return NULL;
}

static bool open_pairs (Player *p) {
  const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  if (socketpair(AF_UNIX, type, 0, p->wake) != 0 ||
      socketpair(AF_UNIX, type, 0, p->ended) != 0)
    return false;
  close(p->ended[1]);
  p->ended[1] = -1;
  return true;
}

Player *player_start (void) {
  Player *p = calloc(1, sizeof *p);
  if (p == NULL)
    return NULL;
  p->wake[0] = p->wake[1] = p->ended[0] = p->ended[1] = -1;
  pthread_mutex_init(&p->mutex, NULL);
  p->running = open_pairs(p) && pthread_create(&p->thread, NULL, run, p) == 0;
  if (p->running)
    return p;
  player_free(p);
  return NULL;
}

static void wake (Player *p) {
  send(p->wake[1], "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool player_play (Player *p, struct MHD_Connection *c, Fault *f) {
  Play *x;
  bool ok;
  pthread_mutex_lock(&p->mutex);
  x = p->stopping ? NULL : play_new(c, f);
  ok = x != NULL;
  if (ok) {
    MHD_suspend_connection(c);
    x->next = p->fresh;
    p->fresh = x;
    wake(p);
  }
  pthread_mutex_unlock(&p->mutex);
  return ok;
}

static void close_pair (int pair[2]) {
  for (int i = 0; i < 2; i++)
    if (pair[i] >= 0)
      close(pair[i]);
  pair[0] = pair[1] = -1;
}

void player_stop (Player *p) {
  if (p == NULL)
    return;
  pthread_mutex_lock(&p->mutex);
  p->stopping = true;
  if (p->running)
    wake(p);
  pthread_mutex_unlock(&p->mutex);
  if (p->running)
    pthread_join(p->thread, NULL);
  p->running = false;
  close_pair(p->wake);
  close_pair(p->ended);
}

void player_free (Player *p) {
  if (p == NULL)
    return;
  player_stop(p);
  pthread_mutex_destroy(&p->mutex);
  free(p->polled);
  free(p);
}
