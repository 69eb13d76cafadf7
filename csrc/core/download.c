/* Downloads: the reply's headers decide whether its bytes are appended, replace
** those that are there, or are refused. */

#include "download.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "container.h"
#include "digest.h"
#include "retry.h"
#include "transfer_private.h"

#define LEAST_BUFFER (16L << 10)

/* What a reply's headers say about its body. */
typedef enum Answer {
  ANSWER_TAKEN,   /* they are written, or nothing came yet */
  ANSWER_CHANGED, /* they belong to another file than those on disk */
  ANSWER_ODD,     /* they are not the requested ones */
  ANSWER_PACKED   /* they are gzip, which was not requested */
} Answer;

typedef struct Download {
  Transfer base;
  PartFile file;
  bool overwrite;
  bool hold;        /* an unverified file gets no name yet: see download_keep */
  bool held;        /* it has no name yet */
  bool begun;       /* this attempt's first body byte was judged */
  bool asked_range; /* this attempt asked for the rest */
  bool whole_only;  /* the next one must not */
  bool unpacks;     /* libcurl unpacks what is gzip */
  Answer answer;
  Work commit;           /* syncs the file and names it */
  bool commits;          /* and has the file until that is done */
  PartStatus disk;       /* of the last write */
  int disk_error;        /* errno of it */
  int64_t total;         /* bytes of the whole stem; -1: not said */
  int64_t limit;         /* end of the part that is coming; -1: not said */
  int64_t most;          /* bytes at the last progress */
  int renewals;          /* times it resumed from another URL */
  int spoiled;           /* unusable replies since then */
  char etag[128];        /* as sent with those bytes, weak ones too */
  char modified[40];     /* Last-Modified of them */
  const char *validator; /* the one of the two that proves "the same bytes"; or
                         ** NULL */
  Container container;
  bool hash; /* the digest is wanted, whether or not one is expected */
  Digest digest;
  unsigned char sum[DIGEST_BYTES]; /* of the whole stem */
  char expected[DIGEST_TEXT];      /* "" when the server gives no digest */
  struct curl_slist *range;        /* headers of a resuming attempt */
} Download;

typedef struct Part {
  int64_t first, last, total; /* total -1: "*" */
} Part;

/* "bytes FIRST-LAST/TOTAL", or "…/" and "*" */
static bool read_part (const Exchange *x, Part *part) {
  long long first, last, total = -1;
  int end = 0;
  const char *value = x->content_range;
  if (!curl_strnequal(value, "bytes", 5))
    return false;
  if (sscanf(value + 5, " %lld-%lld/%n", &first, &last, &end) < 2 || end == 0)
    return false;
  value += 5 + end;
  if (strcmp(value, "*") != 0 && sscanf(value, "%lld", &total) < 1)
    return false;
  *part = (Part){first, last, total};
  return first >= 0 && last >= first && (total == -1 || total > last);
}

/* "bytes" and "*", then the size of the file, of which no byte was asked for;
** -1: it is something else. */
static int64_t read_size (const Exchange *x) {
  long long total;
  if (!curl_strnequal(x->content_range, "bytes", 5) ||
      sscanf(x->content_range + 5, " */%lld", &total) < 1)
    return -1;
  return total;
}

/* A weak ETag only says "equivalent", and an unquoted one is invalid.  A date
** says "the same bytes" only if the file was older than that second when it was
** sent (RFC 9110 8.8.2.2). */
static const char *find_validator (const Download *d, const Exchange *x) {
  time_t modified, sent;
  if (d->etag[0] == '"')
    return d->etag;
  modified = curl_getdate(d->modified, NULL);
  sent = curl_getdate(x->date, NULL);
  return modified != -1 && sent != -1 && sent > modified ? d->modified : NULL;
}

/* No audio begins like this.  The header alone is not trusted: some hosts keep
** the one of an upload ("aws-chunked") although the bytes are plain. */
static bool is_packed (const Exchange *x, const char *data, size_t size) {
  return size >= 2 && memcmp(data, "\x1F\x8B", 2) == 0 &&
         (curl_strequal(x->content_encoding, "gzip") ||
          curl_strequal(x->content_encoding, "x-gzip"));
}

static void note_size (Session *s, int64_t bytes) {
  if (bytes > s->most_bytes)
    s->most_bytes = bytes;
}

/* If libcurl unpacks a reply, its length and digest are not the file's. */
static Answer begin_whole (Download *d, const Exchange *x, int64_t total) {
  bool encoded = d->unpacks && x->content_encoding[0] != '\0';
  d->total = encoded ? -1 : total;
  note_size(d->base.session, d->total);
  memcpy(d->etag, x->etag, sizeof d->etag);
  memcpy(d->modified, x->last_modified, sizeof d->modified);
  d->validator = encoded ? NULL : find_validator(d, x);
  digest_begin(&d->digest);
  if (encoded || !digest_find(x->repr_digest, d->expected))
    d->expected[0] = '\0';
  container_begin(&d->container, d->total < 0 && d->expected[0] == '\0');
  d->disk = d->file.size != 0 ? partfile_restart(&d->file) : PART_OK;
  d->disk_error = errno;
  return ANSWER_TAKEN;
}

/* Some hosts know Range but not If-Range: the reply must repeat the validator,
** as RFC 9110 15.3.7 requires of an ETag. */
static Answer begin_rest (Download *d, const Exchange *x, const Part *part) {
  const char *same = d->validator == d->etag ? x->etag : x->last_modified;
  if ((same[0] != '\0' && strcmp(same, d->validator) != 0) ||
      (x->etag[0] != '\0' && strcmp(x->etag, d->etag) != 0) ||
      (part->total >= 0 && d->total >= 0 && part->total != d->total))
    return ANSWER_CHANGED;
  if (same[0] == '\0')
    return ANSWER_ODD;
  if (part->total >= 0)
    d->total = part->total;
  return ANSWER_TAKEN;
}

static Answer judge (Download *d, const Exchange *x, long status) {
  curl_off_t length = -1;
  Part part = {0, -1, -1};
  bool has_part = read_part(x, &part);
  if (status != 206) {
    curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return has_part && part.first != 0 ? ANSWER_ODD : begin_whole(d, x, length);
  }
  if (!has_part || curl_strnequal(x->content_type, "multipart/", 10))
    return ANSWER_ODD;
  d->limit = part.last + 1;
  if (part.first == 0)
    return begin_whole(d, x, part.total);
  return d->asked_range && part.first == d->file.size ? begin_rest(d, x, &part)
                                                      : ANSWER_ODD;
}

/* 203: a proxy has changed the reply. */
static bool has_stem (long status) {
  return status == 200 || status == 203 || status == 206;
}

static void take (Download *d, const char *data, size_t size) {
  if (d->hash || d->expected[0] != '\0')
    digest_add(&d->digest, data, size);
  container_add(&d->container, data, size);
  d->disk = partfile_write(&d->file, data, size);
  d->disk_error = errno;
}

static size_t on_body (char *data, size_t one, size_t size, void *arg) {
  Download *d = arg;
  Exchange *x = d->base.exchange;
  long status = exchange_status(x);
  if (!has_stem(status))
    return exchange_on_body(data, one, size, x);
  if (!d->unpacks && transfer_must_pause(&d->base))
    return CURL_WRITEFUNC_PAUSE;
  if (!d->begun)
    d->answer = is_packed(x, data, size) ? ANSWER_PACKED : judge(d, x, status);
  d->begun = true;
  if (d->limit >= 0 && d->file.size + (int64_t)size > d->limit)
    d->answer = ANSWER_ODD;
  if (d->answer == ANSWER_TAKEN && d->disk == PART_OK)
    take(d, data, size);
  if (d->answer != ANSWER_TAKEN || d->disk != PART_OK)
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

/* Without a validator the bytes on disk may belong to another file: the whole
** file is requested, and they are discarded when it arrives. */
static int ask_for_rest (Download *d, Exchange *x) {
  char range[48], condition[160];
  const struct curl_slist *line;
  d->asked_range = d->file.size != 0 && d->validator != NULL && !d->whole_only;
  d->whole_only = false;
  if (!d->asked_range)
    return 0;
  for (line = d->base.headers; line != NULL; line = line->next)
    if (add_header(d, line->data) != 0)
      return -1;
  snprintf(range, sizeof range, "Range: bytes=%lld-", (long long)d->file.size);
  snprintf(condition, sizeof condition, "If-Range: %s", d->validator);
  if (add_header(d, range) != 0 || add_header(d, condition) != 0)
    return -1;
  curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, d->range);
  return 0;
}

static void follow_redirects (const Transfer *t, CURL *easy) {
  bool secure = strncmp(t->url, "https:", 6) == 0;
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION,
                   (long)(t->signature.scope == NULL));
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECT_LIMIT);
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR,
                   secure ? "https" : "http,https");
#else
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS,
                   secure ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

/* No larger than the files so far: half a megabyte would be taken from the
** system, and returned to it, for each. */
static long buffer_size (const Session *s) {
  int64_t most = s->most_bytes;
  long size = LEAST_BUFFER, limit = session_buffer(s);
  while (size < limit && (most == 0 || size < most))
    size *= 2;
  return size;
}

static int prepare (Transfer *t, Exchange *x) {
  Download *d = (Download *)t;
  d->begun = false;
  d->answer = ANSWER_TAKEN;
  d->disk = PART_OK;
  d->limit = -1;
  if (ask_for_rest(d, x) != 0) {
    transfer_fail(t, NULL, FAILURE_MEMORY, "out of memory");
    return -1;
  }
  curl_easy_setopt(x->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(x->easy, CURLOPT_LOW_SPEED_TIME,
                   (long)t->session->settings.stall_timeout_s);
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
  const char *reason = status == PART_EXISTS ? "another file has this name"
                       : status == PART_BUSY ? "another process is writing it"
                                             : strerror(error);
  transfer_fail(t, NULL, FAILURE_FILE, "%s", reason);
  t->failure.exists = status == PART_EXISTS;
  t->failure.path = t->failure.exists ? d->file.path : d->file.part;
}

/* Not what was requested; after a pause it may be.  'kind' says what is
** counted, 'reason' is a phrase. */
static void try_again (Download *d, Exchange *x, RetryKind kind,
                       const char *reason) {
  if (!transfer_try_again(&d->base, x, kind, reason))
    transfer_fail(&d->base, x, FAILURE_PROTOCOL, "%s", reason);
}

/* A paid stem may still appear. */
static void wait_for_it (Download *d, Exchange *x, const char *reason) {
  if (d->base.patience_ms > 0)
    try_again(d, x, RETRY_ABSENT, reason);
  else
    transfer_fail(&d->base, x, FAILURE_PROTOCOL, "%s", reason);
}

/* Most likely a page that says that the stem is not there yet. */
static void refuse_body (Download *d, Exchange *x) {
  char reason[96];
  bool has_type = x->content_type[0] != '\0';
  snprintf(reason, sizeof reason, "the body is not audio%s%s",
           has_type ? " but " : "", x->content_type);
  if (partfile_restart(&d->file) != PART_OK)
    fail_disk(d, PART_ERROR, errno);
  else
    wait_for_it(d, x, reason);
}

/* It arrived and is unusable.  A host that sends the like each time is believed
** once the retries are used up. */
static void begin_anew (Download *d, Exchange *x, const char *reason) {
  d->validator = NULL;
  if (d->spoiled++ >= d->base.budget)
    transfer_fail(&d->base, x, FAILURE_PROTOCOL, "%s", reason);
  else
    try_again(d, x, RETRY_FREE, reason);
}

/* Progress resets the retry count: nothing is counted while bytes arrive that
** can be kept.  Bytes that were discarded do not count a second time. */
static bool has_won (Download *d) {
  if (d->file.size <= d->most || d->validator == NULL ||
      !partfile_is_audio(&d->file))
    return false;
  d->most = d->file.size;
  d->spoiled = 0;
  transfer_refresh(&d->base);
  return true;
}

static void resume (Download *d, Exchange *x, CURLcode code) {
  has_won(d);
  transfer_retry(&d->base, x, code);
}

/* The host says that this was all; the file says that it is not. */
static void end_early (Download *d, Exchange *x) {
  static const char reason[] = "the file ends early, and its host gives no "
                               "length";
  if (has_won(d))
    try_again(d, x, RETRY_FREE, reason);
  else
    begin_anew(d, x, reason);
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

static bool is_vouched_for (const Download *d) {
  return d->total >= 0 || d->expected[0] != '\0';
}

static Download *of_commit (Work *work) {
  return (Download *)((char *)work - offsetof(Download, commit));
}

/* In the worker's thread. */
static void run_commit (Work *work) {
  Download *d = of_commit(work);
  d->disk = partfile_commit(&d->file, d->overwrite);
  d->disk_error = errno;
}

static void on_committed (Work *work) {
  Download *d = of_commit(work);
  d->commits = false;
  if (d->disk != PART_OK)
    fail_disk(d, d->disk, d->disk_error);
  else
    transfer_conclude(&d->base);
}

/* Sync the file and name it. */
static void begin_commit (Download *d) {
  d->commits = true;
  d->commit.run = run_commit;
  d->commit.done = on_committed;
  session_work(d->base.session, &d->commit);
}

static void keep (Download *d, Exchange *x) {
  transfer_settle(&d->base, x);
  begin_commit(d);
}

/* Of a file that is being named only its end can tell what became of it. */
static void stop (Transfer *t) {
  Download *d = (Download *)t;
  if (d->commits)
    session_cancel_work(t->session, &d->commit);
  d->commits = false;
}

/* Without a Content-Length it may have been cut in its headers. */
static void complete_empty (Download *d, Exchange *x) {
  curl_off_t length = -1;
  curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length < 0)
    transfer_retry(&d->base, x, CURLE_GOT_NOTHING);
  else
    wait_for_it(d, x, "the body is empty");
}

static void complete (Download *d, Exchange *x) {
  if (d->file.size == 0 || (!d->begun && d->base.http_status != 416)) {
    complete_empty(d, x);
    return;
  }
  if (!partfile_is_audio(&d->file)) {
    refuse_body(d, x);
    return;
  }
  if (!is_vouched_for(d) && !container_is_whole(&d->container)) {
    end_early(d, x);
    return;
  }
  if (!is_intact(d)) {
    begin_anew(d, x, "the bytes do not match their digest");
    return;
  }
  note_size(d->base.session, d->file.size);
  transfer_progress(&d->base, d->file.size, d->file.size, true);
  d->held = d->hold && !is_vouched_for(d);
  if (d->held)
    transfer_succeed(&d->base, x);
  else
    keep(d, x);
}

/* Statuses by which a host says that the file is missing, whatever the
** range. */
static bool is_outage (long status) {
  return status == 408 || status == 429 || status == 502 || status == 503 ||
         status == 504;
}

/* A whole reply without a stem.  The range may be what the host cannot serve:
** if its status says so, or if the attempt before was fruitless, too. */
static void refused (Download *d, Exchange *x, long status) {
  char reason[32];
  bool range = status == 304 || status == 412 || status == 416;
  snprintf(reason, sizeof reason, "HTTP %ld", status);
  d->whole_only =
    d->asked_range && (range || (!is_outage(status) && d->base.fruitless > 0));
  if (retry_status(status))
    resume(d, x, CURLE_OK);
  else if (d->asked_range && range)
    try_again(d, x, RETRY_ABSENT, reason);
  else if (status < 300)
    wait_for_it(d, x, reason);
  else
    transfer_fail_exchange(&d->base, x, CURLE_OK);
}

/* Only a request that speaks of encodings has its reply unpacked by libcurl. */
static void ask_unpacked (Download *d, Exchange *x) {
  d->validator = NULL;
  if (d->unpacks)
    refuse_body(d, x);
  else
    transfer_start_in(&d->base, 0);
  d->unpacks = true;
}

static void answered_oddly (Download *d, Exchange *x) {
  if (d->answer == ANSWER_PACKED) {
    ask_unpacked(d, x);
  } else if (d->answer == ANSWER_CHANGED) {
    d->validator = NULL;
    try_again(d, x, RETRY_ABSENT, "the file has changed");
  } else {
    d->whole_only = true;
    try_again(d, x, RETRY_ABSENT, "a range that was not requested");
  }
}

static void finish (Transfer *t, Exchange *x, CURLcode code) {
  Download *d = (Download *)t;
  long status = t->http_status;
  bool all = status == 416 && d->asked_range && d->total < 0 &&
             read_size(x) == d->file.size;
  if (d->disk == PART_NO_AUDIO)
    refuse_body(d, x);
  else if (d->disk != PART_OK)
    fail_disk(d, d->disk, d->disk_error);
  else if (d->answer != ANSWER_TAKEN)
    answered_oddly(d, x);
  else if (code != CURLE_OK && retry_code(code))
    resume(d, x, code);
  else if (code != CURLE_OK)
    transfer_fail_exchange(t, x, code);
  else if (!has_stem(status) && !all)
    refused(d, x, status);
  else if (d->total < 0 || d->file.size == d->total)
    complete(d, x);
  else
    resume(d, x, CURLE_PARTIAL_FILE);
}

static void destroy (Transfer *t) {
  partfile_close(&((Download *)t)->file);
}

static const TransferType type = {.prepare = prepare,
                                  .finish = finish,
                                  .stop = stop,
                                  .cleanup = cleanup,
                                  .destroy = destroy};

Transfer *download_open (Session *s, const DownloadOptions *options) {
  Download *d = calloc(1, sizeof *d);
  if (d == NULL) {
    partfile_close(options->part);
    errno = ENOMEM;
    return NULL;
  }
  d->file = *options->part;
  partfile_clear(options->part);
  d->base.type = &type;
  d->overwrite = options->overwrite;
  d->hash = options->hash;
  d->hold = options->hold;
  d->total = -1;
  return transfer_begin(&d->base, s, &options->transfer) == 0 ? &d->base : NULL;
}

int64_t download_continue (Transfer *t, const char *url) {
  Download *d = (Download *)t;
  int64_t ms;
  if (t->session == NULL || t->failure.kind != FAILURE_HTTP)
    return -1; /* after a disk error the file does not match 'size' */
  ms = has_won(d) || d->renewals++ == 0
         ? 0
         : transfer_pause(t, RETRY_ABSENT, t->failure.retry_after_s);
  if (ms < 0 || transfer_revive(t, url) != 0)
    return -1;
  transfer_start_in(t, ms);
  return ms;
}

bool download_is_held (const Transfer *t) {
  return ((const Download *)t)->held;
}

int download_keep (Transfer *t) {
  Download *d = (Download *)t;
  if (!d->held)
    return -1;
  if (t->session == NULL || transfer_reopen(t) != 0) {
    transfer_fail(
      t, NULL, t->session == NULL ? FAILURE_CANCELLED : FAILURE_MEMORY,
      t->session == NULL ? "the client was closed" : "out of memory");
    return -1;
  }
  d->held = false;
  begin_commit(d);
  return 0;
}

int64_t download_again (Transfer *t) {
  Download *d = (Download *)t;
  int64_t ms;
  if (!d->held || t->session == NULL || d->spoiled++ >= t->budget)
    return -1;
  ms = transfer_pause(t, RETRY_FREE, -1);
  if (ms < 0 || transfer_revive(t, t->url) != 0)
    return -1;
  d->held = false;
  d->validator = NULL;
  transfer_start_in(t, ms);
  return ms;
}

double download_duration (const Transfer *t) {
  return container_duration(&((const Download *)t)->container);
}

const char *download_path (const Transfer *t) {
  const Download *d = (const Download *)t;
  bool is_kept = d->file.fd < 0 || d->file.is_private;
  return !d->commits && is_kept ? d->file.path : NULL;
}

bool download_was_there (const Transfer *t) {
  return download_path(t) != NULL && ((const Download *)t)->file.was_there;
}

const unsigned char *download_sha256 (const Transfer *t) {
  const Download *d = (const Download *)t;
  return d->hash && !d->commits && d->file.fd < 0 ? d->sum : NULL;
}

unsigned download_lacks (const Transfer *t) {
  return ((const Download *)t)->file.lacks;
}

int64_t download_bytes (const Transfer *t) {
  return ((const Download *)t)->file.size;
}
