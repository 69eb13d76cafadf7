/* Downloads: what the reply says decides whether bytes are appended, begun
** anew, or refused. */

#include "download.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "digest.h"
#include "operation.h"
#include "session_private.h"
#include "url.h"

#define LEAST_BUFFER (16L << 10)
#define MOST_BUFFER (512L << 10)
#define REDIRECT_LIMIT 5L
#define GAIN                                                                   \
  (64 << 10) /* bytes after which an attempt was worth a new budget */

typedef struct Download {
  Transfer base;
  PartFile file;
  bool overwrite;
  bool begun;          /* this attempt's first body byte was judged */
  PartStatus disk;     /* of the last write */
  int disk_error;      /* errno of it */
  bool changed;        /* a 206 of another file than the bytes are of */
  bool bad_range;      /* a 206 for other bytes than were asked for */
  bool packed;         /* the body is gzip, for which nobody asked */
  bool unpacks;        /* libcurl unpacks it: lengths and digests say nothing */
  int64_t total;       /* bytes of the whole stem; -1: not said */
  int64_t most;        /* bytes when the retries began anew last */
  int budget;          /* retries to begin with */
  char validator[128]; /* strong ETag or Last-Modified of those bytes */
  bool hash; /* the digest is wanted, whether or not one is expected */
  Digest digest;
  unsigned char sum[DIGEST_BYTES]; /* of the whole stem */
  char expected[DIGEST_TEXT];      /* "" when the server gives no digest */
  struct curl_slist *range;        /* headers of a resuming attempt */
} Download;

/* "bytes FIRST-LAST/TOTAL" */
static bool parse_range (const char *value, int64_t *first, int64_t *total) {
  long long a, b, n = -1;
  if (sscanf(value, "bytes %lld-%lld/%lld", &a, &b, &n) < 2)
    return false;
  *first = a;
  *total = n;
  return true;
}

/* A weak ETag says "equivalent", not "the same bytes": of no use here. */
static void remember_validator (Download *d, const Exchange *x) {
  const char *value = x->last_modified;
  if (x->etag[0] != '\0' && strncmp(x->etag, "W/", 2) != 0)
    value = x->etag;
  snprintf(d->validator, sizeof d->validator, "%s", value);
}

static bool begin_whole (Download *d, const Exchange *x) {
  curl_off_t length = -1;
  curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  d->total = length;
  session_note_bytes(d->base.session, length);
  remember_validator(d, x);
  digest_begin(&d->digest);
  if (!digest_find(x->repr_digest, d->expected))
    d->expected[0] = '\0';
  if (d->unpacks) {
    d->total = -1;
    d->validator[0] = d->expected[0] = '\0';
  }
  d->disk = d->file.size != 0 ? partfile_restart(&d->file) : PART_OK;
  return d->disk == PART_OK;
}

/* There are hosts that know Range but not If-Range. */
static bool is_other (const Download *d, const Exchange *x) {
  const char *now = d->validator[0] == '"' ? x->etag : x->last_modified;
  return d->file.size != 0 && now[0] != '\0' && strcmp(now, d->validator) != 0;
}

static bool begin_range (Download *d, const Exchange *x) {
  int64_t first, total;
  if (is_other(d, x)) {
    d->changed = true;
    d->validator[0] = '\0'; /* the next attempt begins anew */
    return false;
  }
  if (!parse_range(x->content_range, &first, &total) || first != d->file.size ||
      (d->total >= 0 && total != d->total)) {
    d->bad_range = true;
    return false;
  }
  d->total = total;
  return true;
}

/* No audio begins so.  A label alone is not believed: there are hosts that
** keep one of an upload ("aws-chunked") with bytes that are plain. */
static bool is_packed (const Exchange *x, const char *data, size_t size) {
  return size >= 2 && memcmp(data, "\x1F\x8B", 2) == 0 &&
         (curl_strequal(x->content_encoding, "gzip") ||
          curl_strequal(x->content_encoding, "x-gzip"));
}

static size_t on_body (char *data, size_t one, size_t size, void *arg) {
  Download *d = arg;
  Exchange *x = d->base.exchange;
  long status = exchange_status(x);
  if (status != 200 && status != 206)
    return exchange_on_body(data, one, size, x);
  if (!d->begun) {
    d->begun = true;
    d->packed = is_packed(x, data, size);
    if (d->packed || !(status == 200 ? begin_whole(d, x) : begin_range(d, x)))
      return 0;
  }
  if (d->hash || d->expected[0] != '\0')
    digest_add(&d->digest, data, size);
  d->disk = partfile_write(&d->file, data, size);
  d->disk_error = errno;
  if (d->disk != PART_OK)
    return 0;
  transfer_progress(&d->base, d->file.size, d->total, false);
  return size;
}

static int add_header (Download *d, const char *line) {
  struct curl_slist *longer = curl_slist_append(d->range, line);
  if (longer == NULL)
    return -1;
  d->range = longer;
  return 0;
}

/* Without a validator the bytes that are there may be of another file. */
static int ask_for_rest (Download *d, Exchange *x) {
  char range[48], condition[160];
  if (d->file.size == 0)
    return 0;
  if (d->validator[0] == '\0')
    return partfile_restart(&d->file) == PART_OK ? 0 : -1;
  snprintf(range, sizeof range, "Range: bytes=%lld-", (long long)d->file.size);
  snprintf(condition, sizeof condition, "If-Range: %s", d->validator);
  if (add_header(d, range) != 0 || add_header(d, condition) != 0)
    return -1;
  curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, d->range);
  return 0;
}

static void follow_redirects (const Transfer *t, CURL *easy) {
  bool secure = strncmp(t->url, "https:", 6) == 0;
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, REDIRECT_LIMIT);
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR,
                   secure ? "https" : "http,https");
#else
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS,
                   secure ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

/* As large as the files before: memory by the half megabyte comes from the
** system each time, and goes back. */
static long buffer_size (const Session *s) {
  int64_t most = session_most_bytes(s);
  long size = LEAST_BUFFER;
  while (size < MOST_BUFFER && (most == 0 || size < most))
    size *= 2;
  return size;
}

static int prepare (Transfer *t, Exchange *x) {
  Download *d = (Download *)t;
  d->begun = d->bad_range = d->changed = d->packed = false;
  d->disk = PART_OK;
  if (ask_for_rest(d, x) != 0) {
    transfer_fail(t, NULL, FAILURE_FILE, "%s: %s", d->file.part,
                  strerror(errno));
    return -1;
  }
  session_limit_stall(t->session, x);
  follow_redirects(t, x->easy);
  if (d->unpacks)
    curl_easy_setopt(x->easy, CURLOPT_ACCEPT_ENCODING, "identity");
  curl_easy_setopt(x->easy, CURLOPT_BUFFERSIZE, buffer_size(t->session));
  curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, d);
  return 0;
}

static void cleanup (Transfer *t) {
  Download *d = (Download *)t;
  curl_slist_free_all(d->range);
  d->range = NULL;
}

static void fail_disk (Download *d, PartStatus status, int error) {
  Transfer *t = &d->base;
  if (status == PART_EXISTS)
    transfer_fail(t, NULL, FAILURE_FILE, "%s exists already", d->file.path);
  else if (status == PART_BUSY)
    transfer_fail(t, NULL, FAILURE_FILE, "%s was taken by another process",
                  d->file.part);
  else if (status == PART_NO_AUDIO)
    transfer_fail(t, NULL, FAILURE_PROTOCOL, "the body is not audio%s%s",
                  t->exchange->content_type[0] != '\0' ? " but " : "",
                  t->exchange->content_type);
  else
    transfer_fail(t, NULL, FAILURE_FILE, "%s: %s", d->file.part,
                  strerror(error));
}

static bool is_intact (Download *d) {
  char found[DIGEST_TEXT];
  if (d->hash || d->expected[0] != '\0')
    digest_end(&d->digest, d->sum);
  if (d->expected[0] == '\0')
    return true;
  digest_base64(d->sum, found);
  return strcmp(found, d->expected) == 0;
}

/* Whole in length and broken in content: nothing of it is worth keeping. */
static void begin_anew (Download *d, Exchange *x) {
  Transfer *t = &d->base;
  if (partfile_restart(&d->file) != PART_OK)
    fail_disk(d, PART_ERROR, errno);
  else if (t->retries <= 0)
    transfer_fail(t, NULL, FAILURE_PROTOCOL,
                  "the bytes do not match their digest");
  else
    transfer_retry(t, x, CURLE_PARTIAL_FILE);
}

/* Without a Content-Length it may have been cut in its headers. */
static void complete_empty (Download *d, Exchange *x) {
  curl_off_t length = -1;
  curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length == 0)
    transfer_fail(&d->base, NULL, FAILURE_PROTOCOL, "the body is empty");
  else
    transfer_retry(&d->base, x, CURLE_GOT_NOTHING);
}

static void complete (Download *d, Exchange *x) {
  PartStatus status;
  if (d->file.size == 0 || !d->begun) {
    complete_empty(d, x);
    return;
  }
  if (!is_intact(d)) {
    begin_anew(d, x);
    return;
  }
  status = partfile_commit(&d->file, d->overwrite);
  if (status != PART_OK) {
    fail_disk(d, status, errno);
    return;
  }
  session_note_bytes(d->base.session, d->file.size);
  transfer_progress(&d->base, d->file.size, d->file.size, true);
  transfer_succeed(&d->base, x);
}

/* Bytes won are worth patience: the count of retries begins again.  Those that
** had to be thrown away do not count a second time. */
static void resume (Download *d, Exchange *x, CURLcode code) {
  if (d->file.size - d->most >= GAIN) {
    d->base.retries = d->budget;
    d->most = d->file.size;
  }
  transfer_retry(&d->base, x, code);
}

/* Only a request that speaks of encodings has its reply unpacked by libcurl. */
static void ask_unpacked (Download *d) {
  d->unpacks = true;
  d->validator[0] = '\0';
  transfer_start_in(&d->base, 0);
}

static void finish (Transfer *t, Exchange *x, CURLcode code) {
  Download *d = (Download *)t;
  long status = t->http_status;
  bool success = code == CURLE_OK && (status == 200 || status == 206);
  if (d->disk != PART_OK)
    fail_disk(d, d->disk, d->disk_error);
  else if (d->packed)
    ask_unpacked(d);
  else if (d->changed)
    resume(d, x, CURLE_PARTIAL_FILE);
  else if (d->bad_range)
    transfer_fail(t, NULL, FAILURE_PROTOCOL, "a range that was not asked for");
  else if (success && (d->total < 0 || d->file.size == d->total))
    complete(d, x);
  else if (success)
    resume(d, x, CURLE_PARTIAL_FILE);
  else if (code == CURLE_OK && status == 416 && d->file.size != 0 &&
           partfile_restart(&d->file) == PART_OK)
    transfer_retry(t, x, code);
  else if (code == CURLE_OK ? backoff_status(status) : backoff_code(code))
    resume(d, x, code);
  else
    transfer_fail_exchange(t, x, code);
}

static void destroy (Transfer *t) {
  partfile_close(&((Download *)t)->file);
}

static const Operation operation = {prepare, finish, NULL, cleanup, destroy};

Transfer *download_open (Session *s, const DownloadOptions *options) {
  Download *d = calloc(1, sizeof *d);
  if (d == NULL) {
    partfile_close(options->part);
    errno = ENOMEM;
    return NULL;
  }
  d->file = *options->part;
  partfile_clear(options->part);
  d->base.operation = &operation;
  d->overwrite = options->overwrite;
  d->hash = options->hash;
  d->budget = options->transfer.retries;
  d->total = -1;
  return transfer_begin(&d->base, s, &options->transfer) == 0 ? &d->base : NULL;
}

int download_continue (Transfer *t, const char *url) {
  Download *d = (Download *)t;
  if (t->session == NULL || t->failure.kind != FAILURE_HTTP)
    return -1; /* after a fault of the disk the file is not what 'size' says */
  d->base.retries = d->budget;
  return transfer_revive(t, url);
}

const char *download_path (const Transfer *t) {
  const Download *d = (const Download *)t;
  return d->file.fd < 0 ? d->file.path : NULL;
}

const unsigned char *download_sha256 (const Transfer *t) {
  const Download *d = (const Download *)t;
  return d->hash && d->file.fd < 0 ? d->sum : NULL;
}

unsigned download_lacks (const Transfer *t) {
  return ((const Download *)t)->file.lacks;
}

int64_t download_bytes (const Transfer *t) {
  return ((const Download *)t)->file.size;
}
