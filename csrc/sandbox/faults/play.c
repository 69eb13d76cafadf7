/* Bytes for a connection, and how it ends. */

#include "sandbox/faults/play.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

#define AT_ONCE (256 * 1024) /* bytes, then the others have their turn */
#define DRAIN_TIME 5.0       /* seconds to wait for the client's own close */
#define FLUSH_TIME 1.0       /* seconds to wait for its acknowledgement */
#define FLUSH_STEP 0.002

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

/* A reset may overtake what was sent, so that has to arrive first. */
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

/* Bytes that are written one by one should also be sent one by one. */
static void uncork (int fd) {
  const int on = 1;
#ifdef TCP_CORK
  const int off = 0;
  setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
#endif
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Play *play_new (struct MHD_Connection *c, Fault *f) {
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
  atomic_fetch_add(&f->references, 1);
  for (size_t i = 0; i < f->count; i++)
    if (f->pieces[i].bytes == NULL)
      date_write(x->date, time(NULL) + (time_t)f->pieces[i].ahead);
  uncork(x->fd);
  return x;
}

/* Never waits for a time that has passed, but reports it as due. */
short play_events (const Play *x, double time, double *wait) {
  double due = x->phase == DRAINING ? x->until : x->due;
  if (x->phase == WRITING && due <= time)
    return POLLOUT | POLLRDHUP;
  if (due < time)
    due = time;
  if (x->phase != HANGING && due - time < *wait)
    *wait = due - time;
  return x->phase == DRAINING ? POLLIN : POLLRDHUP;
}

bool play_step (Play *x, short seen, double time) {
  if (x->phase != DRAINING && (seen & (POLLERR | POLLHUP | POLLRDHUP)) != 0)
    x->phase = OVER; /* the client has left */
  else if (x->phase == WRITING)
    write_script(x, time);
  if (x->phase == FLUSHING)
    flush(x, time);
  else if (x->phase == DRAINING)
    drain(x, time);
  return x->phase != OVER;
}

struct MHD_Connection *play_end (Play *x, int ended) {
  struct MHD_Connection *connection = x->connection;
  struct linger none = {1, 0};
  if (x->fault->ending == END_RESET)
    setsockopt(x->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  while (dup2(ended, x->fd) < 0 && (errno == EINTR || errno == EBUSY))
    ;
  fcntl(x->fd, F_SETFD, FD_CLOEXEC);
  fault_release(x->fault);
  free(x);
  return connection;
}
