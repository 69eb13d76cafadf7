/* A small request with its reply in memory: a GET, or a POST that may be
** repeated without harm.  Both are tried again after faults that pass. */

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

#endif
