/* Small requests with their reply in memory, tried again after faults that
** pass: a GET, a POST that may be repeated without harm, and a poll. */

#ifndef CAMB_REQUEST_H
#define CAMB_REQUEST_H

#include "transfer.h"

typedef struct RequestOptions {
  TransferOptions transfer;
  const char *body; /* of a POST; NULL: a GET */
  size_t body_size; /* bytes */
} RequestOptions;

/* Begin it in 's', to the key's origin, with the key.  Everything is copied.
** NULL with errno EINVAL (the URL), EACCES (another origin) or ENOMEM. */
Transfer *request_open (Session *s, const RequestOptions *options);

/* Its reply came and is of no use: ask again after a pause.  Milliseconds until
** then; -1 when no retry is left or the deadline forbids the pause, and nothing
** has changed. */
int64_t request_again (Transfer *t);

/* A poll is the same GET again and again, until its caller has seen what it
** waits for and closes it, or the attempts or the deadline are used up.  A fault
** that passes costs an attempt and nothing else.  The attempts are a time, too:
** one that hangs, or after which the service asks for a rest, uses up as many as
** intervals passed. */
typedef struct PollOptions {
  TransferOptions transfer; /* 'retries' does not count here */
  int interval_ms;          /* between two attempts, once it has grown */
  int max_attempts;
  bool listen; /* tell of every attempt, not only of news */
} PollOptions;

/* Begin it in 's', to the key's origin, with the key.  EVENT_REPLY comes with
** each reply that differs from the one before, and with every attempt when
** 'listen' is set.  NULL with errno as request_open. */
Transfer *poll_open (Session *s, const PollOptions *options);

#endif
