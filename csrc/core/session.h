/* A session: one libcurl multi handle with its connections, the timers and the
** transfers that use them.  Nothing happens but in session_step, and nothing
** there ever waits longer than told; the disk is waited for in a thread beside
** it.  A session belongs to one thread. */

#ifndef CAMB_SESSION_H
#define CAMB_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Session Session;

typedef struct SessionOptions {
  const char *base_url;       /* its origin is the only one that gets the key */
  const char *authorization;  /* header line with the key; NULL: none */
  const char *const *headers; /* header lines for that origin, NULL-ended */
  const char *user_agent;
  const char *proxy;   /* NULL: as the environment says; "": none */
  const char *ca_file; /* alone trusted; NULL: the system's certificates */
  int max_connections; /* open at once to one host; 0: no limit */
  double requests_per_second; /* to the origin of base_url; 0: no limit */
  int connect_timeout_ms;
  int timeout_ms;       /* for one attempt of a request or a poll */
  int stall_timeout_s;  /* without a byte, for uploads and downloads */
  int reply_timeout_ms; /* from the last byte of an upload to its reply's */
  bool accept_invalid_certificates;
} SessionOptions;

typedef enum EventType {
  EVENT_PROGRESS, /* bytes, total */
  EVENT_REPLY,    /* of a poll: http_status, attempt, next_ms, same */
  EVENT_RETRY,    /* reason, attempt, next_ms */
  EVENT_WANT,     /* an upload from a reader wants bytes */
  EVENT_DONE      /* transfer_failure says how it went */
} EventType;

typedef struct Event {
  uint64_t id; /* of the transfer */
  EventType type;
  bool same;        /* this reply is byte for byte the one before it */
  int attempt;      /* from 1 */
  long http_status; /* 0: no reply */
  int64_t next_ms;  /* until the next attempt; -1: there is none */
  int64_t bytes;
  int64_t total;   /* -1: not known */
  char reason[96]; /* a phrase: "HTTP 503" */
} Event;

/* A new session, everything copied; NULL with errno set.  When 'base_url' has
** no origin errno is EINVAL. */
Session *session_open (const SessionOptions *options);

/* Stop every transfer of it (they stay to be closed by their owners) and free
** the session.  NULL does nothing.  In a forked child only memory is freed. */
void session_close (Session *s);

/* False in a child of fork: a session cannot be shared by two processes. */
bool session_is_own (const Session *s);

/* Readable when a socket of it is; -1 if the system has no such thing.  Owned by
** 's'. */
int session_fd (const Session *s);

/* The same descriptor, which from now on is readable whenever session_step has
** something to do: after session_timeout_ms, too.  To keep it so takes calls to
** the system in each step. */
int session_pollfd (Session *s);

/* Milliseconds until session_step is needed without any socket being ready:
** 0 now, -1 never. */
int session_timeout_ms (const Session *s);

/* Run what is ready, blocking at most 'ms' (0: not at all, -1: no limit) and
** not at all while events wait, or an earlier step has left something.  After
** 'budget_us' the rest is left to the next step.  -1 when it is not this
** process's own. */
int session_step (Session *s, int ms, int budget_us);

/* The oldest event not yet taken, copied to 'event'; false when none waits. */
bool session_next (Session *s, Event *event);

/* Let at most 'rate' requests a second start that go to the origin of base_url;
** 0: no limit. */
void session_limit_rate (Session *s, double rate);

/* How many transfers are not done. */
size_t session_active (const Session *s);

#endif
