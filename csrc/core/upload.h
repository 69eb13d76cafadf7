/* The paid upload: multipart/form-data, streamed, sent once, on a connection of
** its own.  It is sent again only if the service cannot have accepted it: no
** connection was made, the body was not sent whole, HTTP/2 said that the stream
** was not processed, or the reply was 408, 417, 429, or 503 with Retry-After
** and names no task.  In doubt it ends with FAILURE_UNKNOWN_OUTCOME. */

#ifndef CAMB_UPLOAD_H
#define CAMB_UPLOAD_H

#include <stdbool.h>

#include "transfer.h"

typedef struct UploadField {
  const char *name;
  const char *value;
} UploadField;

typedef struct UploadOptions {
  TransferOptions transfer;
  const UploadField *fields; /* ended by a NULL name; may be NULL */
  const char *part;          /* name of the file's part: "media_file" */
  const char *filename;      /* as the service sees it */
  const char *content_type;
  const char *accepted; /* key of the reply which says that it was, in lower
                        ** case, without '_' and '-', which do not count; NULL */
  const char *path;     /* a file to stream, or NULL and */
  const char *data;     /* bytes in memory, which stay there until the transfer
                        ** is closed, or NULL: a reader */
  int64_t size;         /* bytes of 'data', or that the reader will give */
  bool hash;            /* compute the SHA-256 of what is sent */
  const char *sha256;   /* in digits, what it has to be; or NULL */
} UploadOptions;

/* Begin it in 's', to the key's origin, with the key.  A file is opened at
** once; one that no longer matches 'sha256' fails before its last byte is sent.
** NULL with errno: EINVAL, EACCES, ENOMEM, or why the file cannot be read (then
** *file_error is set to 1). */
Transfer *upload_open (Session *s, const UploadOptions *options,
                       int *file_error);

/* Hand over bytes of a reader after EVENT_WANT; "": it has ended early.  -1
** when that is more than was announced: the upload has failed then. */
int upload_feed (Transfer *t, const char *data, size_t size);

/* True when the service may have accepted it: the last byte of the body may
** have been sent. */
bool upload_is_sent (const Transfer *t);

/* True when anything of it may be on its way: not while it waits for its turn, a
** connection or the next attempt. */
bool upload_has_begun (const Transfer *t);

/* The SHA-256 of what was sent, in digits; NULL before the last byte, or if
** 'hash' was not set.  Owned by 't'. */
const char *upload_sha256 (const Transfer *t);

/* The headers Location, and Task-Id or X-Task-Id, of the last reply, as sent;
** "": it had none.  Owned by 't'. */
const char *upload_location (const Transfer *t);
const char *upload_task_id (const Transfer *t);

#endif
