/* A stem comes down into a file: written beside its final name, resumed after
** a cut (Range and If-Range, RFC 9110 13.1.5 and 14.2), named when whole.  Its
** requests never had the key, so no redirect can carry it away. */

#ifndef CAMB_DOWNLOAD_H
#define CAMB_DOWNLOAD_H

#include "partfile.h"
#include "transfer.h"

typedef struct DownloadOptions {
  TransferOptions transfer;
  PartFile *part; /* open; taken over, and cleared, whatever comes of it */
  bool overwrite; /* replace a file of its final name */
  bool hash;      /* compute its SHA-256 for download_sha256 */
} DownloadOptions;

/* Begin it in 's'.  NULL with errno: EINVAL (the URL) or ENOMEM. */
Transfer *download_open (Session *s, const DownloadOptions *options);

/* After a failure of kind FAILURE_HTTP: go on from another URL of the same
** stem, with the bytes that are there.  -1 when that is not possible. */
int download_continue (Transfer *t, const char *url);

/* The finished file's path, NULL before that.  Owned by 't'. */
const char *download_path (const Transfer *t);

/* The SHA-256 of the finished file, 32 bytes; NULL before that, and where 'hash'
** did not ask for it.  Owned by 't'. */
const unsigned char *download_sha256 (const Transfer *t);

/* What its file system cannot do: PART_LACKS_… of partfile.h. */
unsigned download_lacks (const Transfer *t);

/* Bytes of the stem so far. */
int64_t download_bytes (const Transfer *t);

#endif
