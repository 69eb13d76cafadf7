/* Why a transfer ended without what it was for.  The kinds are those a caller
** acts on differently; what they mean to a person is said in Lua. */

#ifndef CAMB_FAILURE_H
#define CAMB_FAILURE_H

typedef enum FailureKind {
  FAILURE_NONE,
  FAILURE_HTTP,            /* a whole reply with a status that is no success */
  FAILURE_NETWORK,         /* no reply, and the service accepted nothing */
  FAILURE_TIMEOUT,         /* the deadline passed */
  FAILURE_ATTEMPTS,        /* a poll used up its attempts */
  FAILURE_PROTOCOL,        /* a reply that breaks the contract */
  FAILURE_UNKNOWN_OUTCOME, /* the upload may or may not have been accepted */
  FAILURE_FILE,            /* our disk; message holds the system's reason */
  FAILURE_SOURCE,          /* the source ended early or changed */
  FAILURE_CANCELLED,       /* closed before its end */
  FAILURE_MEMORY
} FailureKind;

typedef struct Failure {
  FailureKind kind;
  long http_status;   /* of the last reply; 0: there was none */
  long retry_after_s; /* what the service asked to wait; -1: nothing */
  char *message; /* a phrase: "Connection refused"; never the key; NULL when
                 ** memory ran out for it */
} Failure;

/* "http", "network", …: the word that Lua knows the kind by.  Static. */
const char *failure_name (FailureKind kind);

#endif
