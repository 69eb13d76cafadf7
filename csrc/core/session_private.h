/* What transfers need of their session. */

#ifndef CAMB_SESSION_PRIVATE_H
#define CAMB_SESSION_PRIVATE_H

#include "exchange.h"
#include "operation.h"
#include "pace.h"
#include "session.h"

/* Make 't' one of the session's transfers, with an id; -1 when there is no
** memory. */
int session_adopt (Session *s, Transfer *t);

/* The reverse; its timer is unset and its waiting events are dropped. */
void session_release (Session *s, Transfer *t);

/* Check 'url' and let 't' stand in the lane of its host: 0, or the errno of
** transfer_begin.  Standing in another one before, it leaves that. */
int session_join (Session *s, Transfer *t, const char *url);

/* The reverse; for a transfer without a place it does nothing. */
void session_part (Session *s, Transfer *t);

/* True when 't' may run now; else it is scheduled when its turn comes. */
bool session_enter (Session *s, Transfer *t);

/* Set the timer of 't'. */
void session_schedule (Session *s, Transfer *t, int64_t at);

/* Add an event to the queue.  -1 when there is no memory, and then it is lost;
** but EVENT_DONE never is. */
int session_post (Session *s, const Event *event);

/* An exchange with the session's settings, and the key when 'api'; NULL when
** there is no memory.  Give it back with session_end_exchange. */
Exchange *session_exchange (Session *s, Transfer *t);

/* Let libcurl begin it. */
CURLMcode session_start_exchange (Session *s, Exchange *x);

/* Take it from libcurl, if it is there, and back into the pool. */
void session_end_exchange (Session *s, Exchange *x);

/* "scheme://host:port" of base_url. */
const char *session_origin (const Session *s);

/* The pace of requests to that origin. */
Pace *session_pace (Session *s);

/* One more transfer that is not done; -1 when there is no memory. */
int session_begin (Session *s);

/* One fewer; its EVENT_DONE has to be posted next. */
void session_done (Session *s);

/* Cut 'x' when no byte moves for as long as the session's stall timeout. */
void session_limit_stall (Session *s, Exchange *x);

/* Give 'x' no more than 'ms' to connect, nor more than the session's limit. */
void session_limit_connect (Session *s, Exchange *x, int64_t ms);

/* Bytes of the largest file that was downloaded; 0: there was none yet. */
int64_t session_most_bytes (const Session *s);

/* One of 'bytes' was downloaded. */
void session_note_bytes (Session *s, int64_t bytes);

/* What an attempt of a request or a poll may take, in milliseconds. */
int session_attempt_ms (const Session *s);

/* How long nothing may move in an upload, and how long its reply may take. */
int session_stall_ms (const Session *s);
int session_reply_ms (const Session *s);

#endif
