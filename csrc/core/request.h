/* Requests with their reply in memory, retried after transient faults: a GET, a
** HEAD, a POST or a PUT that may be repeated without harm, and a poll. */

#ifndef CAMB_REQUEST_H
#define CAMB_REQUEST_H

#include "transfer.h"

typedef struct RequestOptions {
  TransferOptions transfer;
  const char *body; /* of a POST; NULL: a GET */
  size_t body_size; /* bytes */
  const char *path; /* file to PUT, opened at once; or NULL */
  bool head;        /* a HEAD */
} RequestOptions;

/* Begin it in 's', to the key's origin, with the key; a signed one goes
** anywhere, without it.  Everything is copied.  NULL with errno EINVAL (the
** URL), EACCES (another origin), ENOMEM, or why the file cannot be read. */
Transfer *request_open (Session *s, const RequestOptions *options);

/* ETag of the last reply, "": it had none; its Content-Length, -1: none.  Owned
** by 't'. */
const char *request_etag (const Transfer *t);
int64_t request_length (const Transfer *t);

/* Its reply came and is unusable: repeat it after a pause.  Milliseconds until
** then; -1 when no retry is left or the deadline forbids the pause, and nothing
** has changed. */
int64_t request_again (Transfer *t);

/* A poll repeats one GET until its caller closes it, or the attempts or the
** deadline are used up.  A transient fault costs one attempt.  Attempts are also
** a time: one that hangs, or is followed by a Retry-After, uses up as many as
** intervals passed. */
typedef struct PollOptions {
  TransferOptions transfer; /* 'retries' does not count here */
  int interval_ms;          /* between two attempts, once it has grown */
  int max_attempts;
  bool listen;      /* report every attempt, not only news */
  bool is_accepted; /* there is such a task: some 404s may come first */
} PollOptions;

/* Begin it in 's', to the key's origin, with the key.  EVENT_REPLY comes with
** each reply that differs from the one before, and with every attempt when
** 'listen' is set.  NULL with errno as request_open. */
Transfer *poll_open (Session *s, const PollOptions *options);

#endif
