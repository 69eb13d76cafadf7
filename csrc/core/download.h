/* Downloads a stem into a file: written beside its final name, resumed after an
** interruption (Range and If-Range, RFC 9110 13.1.5 and 14.2), renamed when
** whole.  Its requests never carry the key, so no redirect can leak it. */

#ifndef CAMB_DOWNLOAD_H
#define CAMB_DOWNLOAD_H

#include "partfile.h"
#include "transfer.h"

typedef struct DownloadOptions {
  TransferOptions transfer;
  PartFile *part; /* open; taken over and cleared in any case */
  bool overwrite; /* replace a file of its final name */
  bool hold;      /* hold back a file that came without length and digest: see
                  ** download_is_held */
  bool hash;      /* compute its SHA-256 for download_sha256 */
} DownloadOptions;

/* Begin it in 's'.  NULL with errno: EINVAL (the URL) or ENOMEM. */
Transfer *download_open (Session *s, const DownloadOptions *options);

/* After a failure of kind FAILURE_HTTP: resume from another URL of the same
** stem, or from the same one.  Returns the milliseconds until then (0 while
** bytes arrive), or -1 if that is impossible or retries and patience are used up. */
int64_t download_continue (Transfer *t, const char *url);

/* True if it ended well but its file has no final name yet: only its container
** says that it is whole. */
bool download_is_held (const Transfer *t);

/* Give the held file its final name: EVENT_DONE comes once more.  -1 when that
** cannot begin, see transfer_failure. */
int download_keep (Transfer *t);

/* Discard the held file and start again.  Returns the milliseconds until then,
** or -1 if the retries are used up. */
int64_t download_again (Transfer *t);

/* Seconds of sound in the file; below 0: not known. */
double download_duration (const Transfer *t);

/* The finished file's path, NULL before that.  Owned by 't'. */
const char *download_path (const Transfer *t);

/* True if the finished file was there before, with the same bytes. */
bool download_was_there (const Transfer *t);

/* The SHA-256 of the finished file, 32 bytes; NULL before that, and without
** 'hash'.  Owned by 't'. */
const unsigned char *download_sha256 (const Transfer *t);

/* What its file system cannot do: PART_LACKS_… of partfile.h. */
unsigned download_lacks (const Transfer *t);

/* Bytes of the stem so far. */
int64_t download_bytes (const Transfer *t);

#endif
