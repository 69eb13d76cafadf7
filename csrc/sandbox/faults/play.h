/* The script of one fault on one connection.
**
** The connection is suspended, so its daemon neither reads nor writes.  At the
** end the socket under its descriptor is replaced by one that is closed
** already: whatever state the daemon left the connection in, it finds an end
** there and not one byte of its own reaches the client. */

#ifndef CAMB_SANDBOX_FAULTS_PLAY_H
#define CAMB_SANDBOX_FAULTS_PLAY_H

#include <stdbool.h>

#include <gnutls/gnutls.h>
#include <microhttpd.h>

#include "sandbox/http/date.h"
#include "sandbox/faults/fault.h"

typedef enum Phase { WRITING, FLUSHING, DRAINING, HANGING, OVER } Phase;

typedef struct Play {
  struct Play *next; /* for its owner */
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

/* 'f', of which a reference is taken, on 'c', which the caller suspends.  NULL
** on out of memory. */
Play *play_new (struct MHD_Connection *c, Fault *f);

/* What to poll the descriptor for at 'time', in seconds of a monotonic clock;
** lowers '*wait', in seconds, to when play_step is due in any case. */
short play_events (const Play *x, double time, double *wait);

/* Continue as far as possible without blocking; 'seen' is what poll saw.  False
** when it is over. */
bool play_step (Play *x, short seen, double time);

/* End it, over or not, put 'ended' under the connection's descriptor, and
** free; the caller has to resume the connection, which is returned. */
struct MHD_Connection *play_end (Play *x, int ended);

#endif
