/* A certificate for a server on this machine, and the authority that signs
** it; both may be wrong on purpose. */

#ifndef CAMB_SANDBOX_HTTP_TLS_H
#define CAMB_SANDBOX_HTTP_TLS_H

#include <stdbool.h>

#include "sandbox/http/failure.h"

typedef struct TlsOptions {
  bool on;
  bool expired;        /* the certificate was good until yesterday */
  bool self_signed;    /* by its own key, not by the authority's */
  bool old;            /* speak TLS 1.1 and nothing else */
  const char *name;    /* the only name in it; NULL: those of this machine */
  const char *address; /* what the server listens on, one more of them */
} TlsOptions;

typedef struct Tls {
  char *ca_file;           /* path of the authority's certificate */
  char *key, *certificate; /* of the server, in PEM */
  const char *priorities;  /* for GnuTLS; static */
} Tls;

/* Make a certificate; its authority is the one in 'folder', which is made if
** there is none: ca.pem, ca-key.pem.  't' starts as zeros.  False and 'why' on
** failure; tls_clear is due in both cases. */
bool tls_make (Tls *t, const char *folder, const TlsOptions *o, Failure *why);

/* Free what it holds. */
void tls_clear (Tls *t);

#endif
