/* Scripts on suspended connections.
**
** A connection that is played on is suspended, so its daemon neither reads nor
** writes.  At the end the socket under its descriptor is replaced by one that
** is closed already: whatever state the daemon left the connection in, it
** finds an end there and not one byte of its own reaches the client. */

#include "sandbox/player.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include "sandbox/date.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

#define AT_ONCE (256 * 1024) /* bytes, then the others have their turn */
#define DRAIN_TIME 5.0       /* seconds to wait for the client's own close */
#define FLUSH_TIME 1.0       /* seconds to wait for its acknowledgement */
#define FLUSH_STEP 0.002

typedef enum Phase { WRITING, FLUSHING, DRAINING, HANGING, OVER } Phase;

typedef struct Play {
  struct Play *next;
  struct MHD_Connection *connection;
  int fd;               /* the connection's own */
  gnutls_session_t tls; /* NULL without TLS */
  Fault *fault;
  Phase phase;
  size_t piece, offset; /* where in the script */
  uint64_t round;       /* how often the piece was written whole */
  double due, until;    /* not to be touched before; the phase's end */
  char date[DATE_SIZE]; /* what stands for a piece without bytes */
} Play;

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

/* As send, also through TLS. */
static ssize_t put (Play *x, const char *bytes, size_t n) {
  ssize_t sent;
  if (x->tls == NULL)
    return send(x->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
  sent = gnutls_record_send(x->tls, bytes, n);
  if (sent < 0)
    errno =
      (sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED) ? EAGAIN : EPIPE;
  return sent < 0 ? -1 : sent;
}

static void advance (Play *x, const Piece *p, size_t length, double time) {
  if (p->delay > 0 &&
      (x->offset == length || (p->chunk > 0 && x->offset % p->chunk == 0)))
    x->due = time + p->delay;
  if (x->offset < length)
    return;
  x->offset = 0;
  x->round++;
  if (p->count != WITHOUT_END && x->round >= p->count) {
    x->round = 0;
    x->piece++;
  }
}

/* One write at most up to the next delay.  False when the socket takes no
** more for now, or never again. */
static bool write_part (Play *x, size_t *written, double time) {
  const Piece *p = &x->fault->pieces[x->piece];
  const char *bytes = p->bytes == NULL ? x->date : p->bytes;
  size_t length = p->bytes == NULL ? strlen(x->date) : p->n;
  size_t n = length - x->offset;
  ssize_t sent;
  if (p->chunk > 0 && n > p->chunk - x->offset % p->chunk)
    n = p->chunk - x->offset % p->chunk;
  sent = n == 0 ? 0 : put(x, bytes + x->offset, n);
  if (sent < 0) {
    if (errno != EAGAIN && errno != EINTR)
      x->phase = OVER;
    return false;
  }
  x->offset += (size_t)sent;
  *written += (size_t)sent;
  advance(x, p, length, time);
  return true;
}

static void finish_script (Play *x, double time) {
  switch (x->fault->ending) {
  case END_RESET:
    x->phase = FLUSHING;
    x->until = time + FLUSH_TIME;
    break;
  case END_HANG:
    x->phase = HANGING;
    break;
  default:
    if (x->tls != NULL)
      gnutls_bye(x->tls, GNUTLS_SHUT_WR);
    shutdown(x->fd, SHUT_WR);
    x->phase = DRAINING;
    x->until = time + DRAIN_TIME;
  }
}

static void write_script (Play *x, double time) {
  size_t written = 0;
  while (x->phase == WRITING && x->piece < x->fault->count &&
         written < AT_ONCE && x->due <= time)
    if (!write_part(x, &written, time))
      return;
  if (x->phase == WRITING && x->piece == x->fault->count && x->due <= time)
    finish_script(x, time);
}

/* A reset may overtake what was sent; so what was sent has to be there. */
static void flush (Play *x, double time) {
  int waiting = 0;
#ifdef TIOCOUTQ
  if (ioctl(x->fd, TIOCOUTQ, &waiting) != 0)
    waiting = 0;
#endif
  if (waiting == 0 || time >= x->until)
    x->phase = OVER;
  x->due = time + FLUSH_STEP;
}

/* Closed with bytes unread, a socket sends a reset, not an end. */
static void drain (Play *x, double time) {
  char bytes[65536];
  ssize_t got = recv(x->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR) ||
      time >= x->until)
    x->phase = OVER;
}

static void step (Play *x, short seen, double time) {
  if (x->phase != DRAINING && (seen & (POLLERR | POLLHUP | POLLRDHUP)) != 0)
    x->phase = OVER; /* the client has left */
  else if (x->phase == WRITING)
    write_script(x, time);
  if (x->phase == FLUSHING)
    flush(x, time);
  else if (x->phase == DRAINING)
    drain(x, time);
}

/* What to wait for; lowers '*wait', in seconds, to when it is due. */
static short events_of (const Play *x, double time, double *wait) {
  double due = x->phase == DRAINING ? x->until : x->due;
  if (x->phase != HANGING && due > time && due - time < *wait)
    *wait = due - time;
  if (x->phase == DRAINING)
    return POLLIN;
  if (x->phase == WRITING && due <= time)
    return POLLOUT | POLLRDHUP;
  return POLLRDHUP;
}

/* The daemon closes the connection once it is resumed. */
static void end_play (Player *p, Play *x) {
  struct linger none = {1, 0};
  if (x->fault->ending == END_RESET)
    setsockopt(x->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  while (dup2(p->ended[0], x->fd) < 0 && (errno == EINTR || errno == EBUSY))
    ;
  fcntl(x->fd, F_SETFD, FD_CLOEXEC);
  MHD_resume_connection(x->connection);
  fault_release(x->fault);
  free(x);
}

static size_t count_plays (const Player *p) {
  size_t n = 0;
  for (const Play *x = p->plays; x != NULL; x = x->next)
    n++;
  return n;
}

/* True to go on, false to stop. */
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
      (struct pollfd){.fd = x->fd, .events = events_of(x, time, &wait)};
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
    step(x, p->polled[i].revents, time);
    if (x->phase != OVER) {
      at = &x->next;
      continue;
    }
    *at = x->next;
    end_play(p, x);
  }
}

static void *run (void *context) {
  Player *p = context;
  while (fetch_fresh(p) && wait_all(p))
    step_all(p);
  pthread_mutex_lock(&p->mutex);
  p->stopping = true;
  pthread_mutex_unlock(&p->mutex);
  fetch_fresh(p);
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

/* What is written byte by byte should also be sent so. */
static void uncork (int fd) {
  const int on = 1;
#ifdef TCP_CORK
  const int off = 0;
  setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
#endif
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static Play *play_new (struct MHD_Connection *c, Fault *f) {
  const union MHD_ConnectionInfo *fd =
    MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
  const union MHD_ConnectionInfo *tls =
    MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  Play *x = calloc(1, sizeof *x);
  if (x == NULL)
    return NULL;
  x->connection = c;
  x->fd = fd->connect_fd;
  x->tls = tls == NULL ? NULL : tls->tls_session;
  x->fault = f;
  for (size_t i = 0; i < f->count; i++)
    if (f->pieces[i].bytes == NULL)
      date_write(x->date, time(NULL) + (time_t)f->pieces[i].ahead);
  uncork(x->fd);
  return x;
}

static void wake (Player *p) {
  send(p->wake[1], "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool player_play (Player *p, struct MHD_Connection *c, Fault *f) {
  Play *x = play_new(c, f);
  bool ok;
  if (x == NULL)
    return false;
  pthread_mutex_lock(&p->mutex);
  ok = !p->stopping;
  if (ok) {
    MHD_suspend_connection(c);
    atomic_fetch_add(&f->references, 1);
    x->next = p->fresh;
    p->fresh = x;
    wake(p);
  }
  pthread_mutex_unlock(&p->mutex);
  if (!ok)
    free(x);
  return ok;
}

void player_stop (Player *p) {
  if (p == NULL || !p->running)
    return;
  p->running = false;
  pthread_mutex_lock(&p->mutex);
  p->stopping = true;
  wake(p);
  pthread_mutex_unlock(&p->mutex);
  pthread_join(p->thread, NULL);
}

static void close_pair (const int pair[2]) {
  for (int i = 0; i < 2; i++)
    if (pair[i] >= 0)
      close(pair[i]);
}

void player_free (Player *p) {
  if (p == NULL)
    return;
  player_stop(p);
  close_pair(p->wake);
  close_pair(p->ended);
  pthread_mutex_destroy(&p->mutex);
  free(p->polled);
  free(p);
}
