/* Shared by a session, its transfers and their types, and by nothing else: the
** state of both, and the ways in which an attempt may end. */

#ifndef CAMB_TRANSFER_PRIVATE_H
#define CAMB_TRANSFER_PRIVATE_H

#include <sys/types.h>

#include "exchange.h"
#include "host_queue.h"
#include "settings.h"
#include "timers.h"
#include "transfer.h"
#include "watches.h"
#include "worker.h"

#define READY_BATCH 64
#define REDIRECT_LIMIT 5

/* Sockets that are ready, of which those from 'at' on are still to be run. */
typedef struct ReadySockets {
  Ready all[READY_BATCH];
  int at, count;
} ReadySockets;

/* The events between a step and the caller who reads them: a growing ring. */
typedef struct Events {
  Event *ring;
  size_t first, count, capacity;
} Events;

struct Session {
  CURLM *multi;
  CURLSH *share; /* of TLS sessions, so that connections resume them */
  Poller *poller;
  Watches watches;
  ReadySockets ready;
  Worker *worker;   /* NULL before the first work */
  Transfer *paused; /* those that wait for the next step */
  int budget_us;    /* of the step that runs */
  int64_t ends_us;  /* when it has used that up */
  uint64_t acts;    /* times that libcurl was called */
  bool steps;    /* session_step is at work, and tells the poller at its end */
  bool exported; /* a host waits on the descriptor: keep its alarm set */
  pid_t owner;
  Timers timers;
  Pace pace;          /* of requests to the API */
  int64_t curl_at;    /* when libcurl wants to be called */
  bool broken;        /* libcurl ran out of memory in a step */
  bool doubtful;      /* or in a transfer: see renew */
  size_t running;     /* exchanges in 'multi' */
  int64_t most_bytes; /* of a download; 0: there was none yet */
  Events events;
  Transfer *transfers;
  uint64_t last_id;
  size_t adopted; /* transfers */
  size_t active;  /* those that are not done */
  Exchange *pool;
  int pooled;
  Settings settings;
  HostQueues queues;
};

/* What a type of transfer does at each stage of its life. */
typedef struct TransferType {
  /* Set 'x' up for the next attempt, beyond URL and headers.  -1 when that
  ** cannot be done, after transfer_fail. */
  int (*prepare)(Transfer *t, Exchange *x);
  /* The attempt ended: call one of transfer_succeed, _fail and _retry. */
  void (*finish)(Transfer *t, Exchange *x, CURLcode code);
  /* The deadline passed: fail with the right kind.  'x' NULL: between two
  ** attempts.  NULL if FAILURE_TIMEOUT is right. */
  void (*expire)(Transfer *t, Exchange *x);
  /* Wait for work that was begun with session_work, or keep it from running.
  ** NULL if there is none. */
  void (*stop)(Transfer *t);
  /* The attempt is over, however it ended: release what 'prepare' acquired.
  ** NULL if that is nothing. */
  void (*cleanup)(Transfer *t);
  /* Free the type's own fields, not 't'.  NULL if there are none. */
  void (*destroy)(Transfer *t);
} TransferType;

/* Why there may be another attempt, which says until when. */
typedef enum RetryKind {
  RETRY_AWAY,   /* no answer, or an unavailable service: while retries or
                ** patience last, or without end */
  RETRY_ABSENT, /* not what was asked for, but it may come: while retries or
                ** patience last */
  RETRY_FREE    /* the type counts by itself */
} RetryKind;

struct Transfer {
  const TransferType *type;
  Session *session; /* NULL once the session is closed */
  Transfer *previous, *next;
  Transfer *next_paused;
  bool is_paused;
  uint64_t act; /* of the session, in which a part of its body came last */
  uint64_t id;
  Timer timer;      /* attempt, limit or deadline, whichever comes first */
  HostPlace place;  /* among those that want the same host */
  int64_t start_at; /* of the next attempt; CLOCK_NEVER while one runs */
  int64_t turn_at;  /* when the session's pace lets it start; 0: not asked */
  int64_t deadline;
  int64_t limit_at;        /* when the attempt that runs has taken too long */
  int64_t looked_at;       /* the limit or deadline that had its last look */
  int limit_ms;            /* from its request on; 0: no limit */
  const char *limit_words; /* what did not come in time */
  Exchange *exchange;      /* while an attempt runs */
  char *url;
  struct curl_slist *headers;
  Signature signature; /* copies; their scope NULL: none */
  int attempts;
  int retries;
  int budget;    /* retries to begin with */
  int fruitless; /* attempts without progress; -1: the last one made some */
  int64_t patience_ms;
  int64_t patient_until; /* since the first fruitless one */
  bool endless;
  int redirects;
  bool api;      /* goes to the origin of base_url, with the key */
  bool progress; /* a listener wants progress */
  bool done;
  int64_t progress_at;    /* when the next progress event is due */
  int64_t progress_bytes; /* as last reported */
  long http_status;
  Connection connection;
  char disposition[512]; /* of the reply that it succeeded with */
  Buffer body;
  Failure failure;
};

/* Fill 't' (zeroed by the caller, who sets 'type' and 'api' before) and
** let its first attempt begin with the next step.  -1, with errno set and 't'
** freed, when memory is out or (EINVAL) the URL is none; a URL of another
** origin than the key's is refused for an 'api' transfer, EACCES; ENOTSUP: this
** libcurl cannot sign. */
int transfer_begin (Transfer *t, Session *s, const TransferOptions *options);

/* End it well.  The exchange's body becomes the transfer's. */
void transfer_succeed (Transfer *t, Exchange *x);

/* The same in two steps: nothing more is asked of its host, but it does not end,
** not even at its deadline, before transfer_conclude or transfer_fail. */
void transfer_settle (Transfer *t, Exchange *x);
void transfer_conclude (Transfer *t);

/* True when what libcurl brings has to wait for the next step: the budget of
** this one is used up, and 't' had a part of it. */
bool transfer_must_pause (Transfer *t);

/* End it badly.  'x' NULL or the exchange in hand; 'format' makes a phrase. */
void transfer_fail (Transfer *t, Exchange *x, FailureKind kind,
                    const char *format, ...)
  __attribute__((format(printf, 4, 5)));

/* Fail with a reply's status or, without one, libcurl's reason. */
void transfer_fail_exchange (Transfer *t, Exchange *x, CURLcode code);

/* Try again after a backoff, no sooner than the service asked; when nothing is
** left of retries and patience or the deadline forbids it,
** transfer_fail_exchange. */
void transfer_retry (Transfer *t, Exchange *x, CURLcode code);

/* The same for any 'reason'; false, with nothing changed, if no attempt may
** follow. */
bool transfer_try_again (Transfer *t, Exchange *x, RetryKind kind,
                         const char *reason);

/* Milliseconds before the next attempt, which is counted; 'asked' is what the
** service asked for, in seconds, or below 1.  -1: none may follow. */
int64_t transfer_pause (Transfer *t, RetryKind kind, long asked);

/* Milliseconds for the 'asked' seconds of a Retry-After; at most an hour if the
** wait has no end. */
int64_t transfer_asked_ms (const Transfer *t, long asked);

/* Progress was made: reset retries and patience. */
void transfer_refresh (Transfer *t);

/* Let the attempt on 'x' take 'ms' once it has a connection: waiting for a free
** one is not the service's doing.  It ends as CURLE_OPERATION_TIMEDOUT. */
void transfer_limit (Transfer *t, Exchange *x, int ms);

/* Let it end so at 'at' instead, 'ms' after what it waits for began; 'words' go
** before these seconds: "no reply within".  Static. */
void transfer_limit_at (Transfer *t, int64_t at, int ms, const char *words);

/* Let 'x' wait for a stream of a connection that is being made.  TLS tells what
** that one speaks; without, libcurl would wait for the first reply on it, which
** an upload may delay for hours. */
void transfer_share (const Transfer *t, Exchange *x);

/* True once the request of an attempt with a limit went out. */
bool transfer_has_begun (const Transfer *t);

/* The service asked for a pause of 'ms' after the reply of 'x': if it asks this
** of one request, the whole session waits. */
void transfer_heed (Transfer *t, const Exchange *x, int64_t ms);

/* False if 'ms' would reach the deadline or, without one, exceed both the
** patience and the longest pause that needs no consent. */
bool transfer_may_wait (const Transfer *t, int64_t ms);

/* Begin the next attempt in 'ms', or sooner if the deadline comes first. */
void transfer_start_in (Transfer *t, int64_t ms);

/* The body of 'x' becomes that of 't'. */
void transfer_take_body (Transfer *t, Exchange *x);

/* A redirect of a GET within its origin: point 't' there, start again and
** return true.  Others are left to the caller. */
bool transfer_redirect (Transfer *t, Exchange *x);

/* Take up one that has ended well, for more work on it; -1 when memory is
** out. */
int transfer_reopen (Transfer *t);

/* Restart a failed transfer at another URL; -1 when that is no URL or memory is
** out, and nothing has changed then. */
int transfer_revive (Transfer *t, const char *url);

/* Fill what every event of 't' carries. */
Event transfer_event (const Transfer *t, EventType type);

/* What went wrong in the attempt, for an event's reason. */
void transfer_reason (const Exchange *x, CURLcode code, char *out, size_t room);

/* Post a progress event, if someone listens and one is due. */
void transfer_progress (Transfer *t, int64_t bytes, int64_t total, bool last);

/* For the session: begin the attempt, or expire, as the timer says. */
void transfer_wake (Transfer *t, int64_t now);

/* For the session: the attempt of 't' ended with 'code'. */
void transfer_finish (Transfer *t, CURLcode code);

/* For the session: it closes; 't' stays with its owner. */
void transfer_orphan (Transfer *t);

/* Make 't' one of the session's transfers, with an id; -1 when there is no
** memory. */
int session_adopt (Session *s, Transfer *t);

/* The reverse; its timer is unset and its waiting events are dropped. */
void session_release (Session *s, Transfer *t);

/* Check 'url' and let 't' stand in the queue of its host: 0, or the errno of
** transfer_begin.  Standing in another one before, it leaves that. */
int session_join (Session *s, Transfer *t, const char *url);

/* Set the timer of 't'. */
void session_schedule (Session *s, Transfer *t, int64_t at);

/* Make room for the end of one more transfer, which is active now; -1 when
** there is no memory. */
int session_begin (Session *s);

/* Add an event to the queue.  -1 when there is no memory, and then it is lost;
** but EVENT_DONE never is. */
int session_post (Session *s, const Event *event);

/* Let 'work' run in the worker's thread or, if there is none, at once: then its
** 'done' is called from here. */
void session_work (Session *s, Work *work);

/* Wait for 'work', or keep it from running; its 'done' is not called.  In a
** child of fork nothing happens. */
void session_cancel_work (Session *s, Work *work);

/* Let 't' go on with the next step, after it has told libcurl to pause; and
** forget that. */
void session_pause (Session *s, Transfer *t);
void session_unpause (Session *s, Transfer *t);

/* True when the step that runs has used up its budget. */
bool session_is_late (const Session *s);

/* Bytes of a file that are read or sent at a time: what a short step should
** take, or as much as libcurl allows, which costs less for each byte. */
long session_buffer (const Session *s);

/* An exchange with the session's settings, and the key when 't' is 'api'; NULL
** when there is no memory.  Give it back with session_end_exchange. */
Exchange *session_exchange (Session *s, Transfer *t);

/* Let libcurl begin it. */
CURLMcode session_start_exchange (Session *s, Exchange *x);

/* Take it from libcurl, if it is there, and back into the pool. */
void session_end_exchange (Session *s, Exchange *x);

#endif
