/* A transfer: one operation of a session, in as many attempts as it takes.
** request.h, upload.h, poll.h and download.h open them; session_step moves
** them on; session_next tells what became of them. */

#ifndef CAMB_TRANSFER_H
#define CAMB_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"

typedef struct Transfer Transfer;

/* Why a transfer ended without what it was for.  The kinds are those a caller
** acts on differently; what they mean to a person is said in Lua. */
typedef enum FailureKind {
  FAILURE_NONE,
  FAILURE_HTTP,            /* a whole reply with a status that is no success */
  FAILURE_NETWORK,         /* no reply, and the service accepted nothing */
  FAILURE_TIMEOUT,         /* the deadline passed */
  FAILURE_ATTEMPTS,        /* a poll used up its attempts */
  FAILURE_PROTOCOL,        /* a reply that breaks the contract */
  FAILURE_UNKNOWN_OUTCOME, /* the upload may or may not have been accepted */
  FAILURE_FILE,            /* our disk; message is the system's reason */
  FAILURE_SOURCE,          /* the source ended early or changed */
  FAILURE_CANCELLED,       /* closed before its end */
  FAILURE_MEMORY
} FailureKind;

typedef struct Failure {
  FailureKind kind;
  long http_status;   /* of the last reply; 0: there was none */
  long retry_after_s; /* what the service asked to wait; -1: nothing */
  bool sent_away;     /* that is longer than this transfer may wait */
  bool exists;        /* FAILURE_FILE: another file has the name 'path' */
  const char *path;   /* FAILURE_FILE of a download: the file; else NULL */
  char *message; /* a phrase: "Connection refused"; never the key; NULL when
                 ** memory ran out for it */
} Failure;

typedef struct TransferOptions {
  const char *url;
  const char *const *headers; /* header lines, NULL-ended; may be NULL */
  int64_t deadline;           /* clock_ms() time; CLOCK_NEVER: none */
  int retries;                /* attempts after the first one */
  int64_t patience_ms; /* others follow for so long, whatever their number */
  bool endless;        /* for ever, while nobody is there to answer */
  bool progress;       /* post EVENT_PROGRESS */
} TransferOptions;

/* Stop it if it runs, remove what it left half done, and free it.  No event of
** it is seen afterwards.  NULL does nothing. */
void transfer_close (Transfer *t);

/* Never 0 and never used twice in a session. */
uint64_t transfer_id (const Transfer *t);

/* How it ended; kind is FAILURE_NONE when it went well.  Owned by 't'. */
const Failure *transfer_failure (const Transfer *t);

/* What is asked for, or was last.  Owned by 't'. */
const char *transfer_url (const Transfer *t);

/* How many attempts were begun. */
int transfer_attempts (const Transfer *t);

/* Status of the last reply, whole or not; 0: none came. */
long transfer_status (const Transfer *t);

/* Content-Disposition of the reply that it succeeded with; "" when there was
** none, or it was longer than any name is.  Owned by 't'. */
const char *transfer_disposition (const Transfer *t);

/* Body of the last reply, or of the error; while an attempt runs, what came of
** it.  Owned by 't', not terminated; it stays until the next step or close. */
const char *transfer_body (const Transfer *t, size_t *size);

#endif
