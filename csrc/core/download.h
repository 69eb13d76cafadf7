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
  bool hold;      /* do not name a file of which neither a length nor a digest
                  ** came: download_is_held */
  bool hash;      /* compute its SHA-256 for download_sha256 */
} DownloadOptions;

/* Begin it in 's'.  NULL with errno: EINVAL (the URL) or ENOMEM. */
Transfer *download_open (Session *s, const DownloadOptions *options);

/* After a failure of kind FAILURE_HTTP: go on from another URL of the same
** stem, or the same one again, with the bytes that are there: milliseconds until
** then, which are none while bytes are won.  -1 when that is not possible, or
** nothing is left of retries and patience. */
int64_t download_continue (Transfer *t, const char *url);

/* True when it ended well, but its file has no name yet: its container says that
** it is whole, and nobody else does. */
bool download_is_held (const Transfer *t);

/* Name the file that is held; -1, and transfer_failure says why, when that
** fails. */
int download_keep (Transfer *t);

/* Throw away what is held and begin anew: milliseconds until then, -1 when that
** was done as often as there are retries. */
int64_t download_again (Transfer *t);

/* Seconds of sound in the file; below 0: not known. */
double download_duration (const Transfer *t);

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
