/* The same GET again and again, until its caller has seen what it waits for
** and closes it, or the attempts or the deadline are used up.  Faults that
** pass are survived: they cost an attempt and nothing else.  The attempts are a
** time, too: one that hangs, or after which the service asks for a rest, uses up
** as many as intervals passed. */

#ifndef CAMB_POLL_H
#define CAMB_POLL_H

#include "transfer.h"

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

/* Hear of every attempt from now on, or of news only. */
void poll_listen (Transfer *t, bool listen);

#endif
