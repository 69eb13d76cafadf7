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

/* Why a transfer failed.  A caller acts differently on each kind; Lua puts them
** into words for people. */
typedef enum FailureKind {
  FAILURE_NONE,
  FAILURE_HTTP,            /* a whole reply with an error's status */
  FAILURE_NETWORK,         /* no reply, and the service accepted nothing */
  FAILURE_PROXY,           /* likewise, and a repetition cannot help */
  FAILURE_TIMEOUT,         /* the deadline passed */
  FAILURE_ATTEMPTS,        /* a poll used up its attempts */
  FAILURE_PROTOCOL,        /* a reply that breaks the contract */
  FAILURE_UNKNOWN_OUTCOME, /* the upload may or may not have been accepted */
  FAILURE_FILE,            /* the local disk; message is the system's reason */
  FAILURE_SOURCE,          /* the source ended early or changed */
  FAILURE_CANCELLED,       /* closed before its end */
  FAILURE_MEMORY
} FailureKind;

typedef struct Failure {
  FailureKind kind;
  long http_status;   /* of the last reply; 0: there was none */
  long retry_after_s; /* what the service asked to wait; -1: nothing */
  bool sent_away;     /* that is longer than this transfer may wait */
  bool exists;        /* FAILURE_FILE: another file has this name 'path' */
  const char *path;   /* FAILURE_FILE of a download: the file; else NULL */
  char *message; /* a phrase: "Connection refused"; never the key; NULL when
                 ** memory ran out for it */
} Failure;

/* How far the last attempt's connection came: milliseconds from the attempt's
** beginning to each step; -1: not reached, or not needed. */
typedef struct Connection {
  int name_ms; /* the host's address */
  int tcp_ms;
  int tls_ms;
  bool untrusted;    /* TCP connected, and TLS failed */
  long proxy_status; /* a proxy's last reply to CONNECT; 0: there was none */
  char address[64];  /* of the host, or the proxy; "" when there was none */
  char date[40];     /* Date of the reply; "" when there was none */
} Connection;

/* Each attempt is signed by AWS's version 4, for a service other than the API;
** no redirect is followed. */
typedef struct Signature {
  const char *scope; /* "aws:amz:REGION:SERVICE", as libcurl has it */
  const char *user, *secret;
} Signature;

typedef struct TransferOptions {
  const char *url;
  const char *const *headers; /* header lines, NULL-ended; may be NULL */
  int64_t deadline;           /* clock_ms() time; CLOCK_NEVER: none */
  int retries;                /* attempts after the first one */
  int64_t patience_ms; /* others follow for this long, whatever their number */
  bool endless;        /* without limit, while the host is unreachable */
  bool progress;       /* post EVENT_PROGRESS */
  Signature signature; /* its scope NULL: none */
} TransferOptions;

/* Stop it if it runs, remove what it left half done, and free it.  No event of
** it is seen afterwards.  NULL does nothing. */
void transfer_close (Transfer *t);

/* Never 0 and never used twice in a session. */
uint64_t transfer_id (const Transfer *t);

/* How it ended; kind is FAILURE_NONE when it went well.  Owned by 't'. */
const Failure *transfer_failure (const Transfer *t);

/* The URL of this request, or of the last.  Owned by 't'. */
const char *transfer_url (const Transfer *t);

/* How many attempts were started. */
int transfer_attempts (const Transfer *t);

/* Status of the last reply, whole or not; 0: none came. */
long transfer_status (const Transfer *t);

/* Owned by 't'; all unknown until an attempt has ended. */
const Connection *transfer_connection (const Transfer *t);

/* Content-Disposition of the reply that it succeeded with; "" when there was
** none, or it was longer than any name is.  Owned by 't'. */
const char *transfer_disposition (const Transfer *t);

/* Body of the last reply, or of the error; while an attempt runs, what came of
** it.  Owned by 't', not terminated; it stays until the next step or close. */
const char *transfer_body (const Transfer *t, size_t *size);

#endif
