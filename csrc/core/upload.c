/* The paid upload, and the judgement of what became of it. */

#include "upload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "operation.h"
#include "session_private.h"
#include "source.h"

#define UPLOAD_BUFFER (512L << 10) /* at most, where there is as much */

typedef struct Upload {
  Transfer base;
  Source source;
  bool paused;      /* libcurl waits for the reader */
  bool whole;       /* the last byte of this attempt's body was sent */
  int64_t overhead; /* bytes of the body that are not the file's */
  curl_mime *mime;  /* of the attempt that runs */
  char **fields;    /* name, value, name, value, …, NULL */
  char *part, *filename, *content_type;
} Upload;

static size_t on_read (char *out, size_t one, size_t room, void *arg) {
  Upload *u = arg;
  Event event;
  int64_t n = source_read(&u->source, out, one * room);
  if (n >= 0)
    return (size_t)n;
  if (n == SOURCE_BROKEN)
    return CURL_READFUNC_ABORT;
  u->paused = true;
  event = transfer_event(&u->base, EVENT_WANT);
  if (session_post(u->base.session, &event) == 0)
    return CURL_READFUNC_PAUSE;
  u->source.error = ENOMEM;
  return CURL_READFUNC_ABORT;
}

/* libcurl rewinds a body to send it again by itself, on a connection that died
** or after a redirect.  That would be a second job: it is told that it cannot,
** and whether to send again is decided in 'finish'. */
static int on_seek (void *arg, curl_off_t offset, int origin) {
  Upload *u = arg;
  if (origin == SEEK_SET && offset == u->source.at)
    return CURL_SEEKFUNC_OK;
  if (u->source.at >= u->source.size)
    u->whole = true; /* as far as we know */
  return CURL_SEEKFUNC_FAIL;
}

/* On its own new connection libcurl counts from 0: what went out on the one
** that died has to be kept here. */
static int on_progress (void *arg, curl_off_t down_total, curl_off_t down,
                        curl_off_t up_total, curl_off_t up) {
  Upload *u = arg;
  (void)down_total;
  (void)down;
  if (up_total > 0 && up >= up_total)
    u->whole = true;
  if (up_total > 0)
    u->overhead = up_total - u->source.size;
  up -= u->overhead;
  if (up > 0)
    transfer_progress(&u->base, up, u->source.size, false);
  return 0;
}

static int add_part (Upload *u, const char *name, const char *value) {
  curl_mimepart *part = curl_mime_addpart(u->mime);
  if (part == NULL || curl_mime_name(part, name) != CURLE_OK)
    return -1;
  if (value != NULL)
    return curl_mime_data(part, value, CURL_ZERO_TERMINATED) == CURLE_OK ? 0
                                                                         : -1;
  if (curl_mime_filename(part, u->filename) != CURLE_OK ||
      curl_mime_type(part, u->content_type) != CURLE_OK)
    return -1;
  return curl_mime_data_cb(part, u->source.size, on_read, on_seek, NULL, u) ==
             CURLE_OK
           ? 0
           : -1;
}

static int make_mime (Upload *u, Exchange *x) {
  char **field;
  u->mime = curl_mime_init(x->easy);
  if (u->mime == NULL)
    return -1;
  for (field = u->fields; *field != NULL; field += 2)
    if (add_part(u, field[0], field[1]) != 0)
      return -1;
  return add_part(u, u->part, NULL);
}

static long buffer_size (const Upload *u) {
  return u->source.size < UPLOAD_BUFFER ? (long)u->source.size : UPLOAD_BUFFER;
}

static int prepare (Transfer *t, Exchange *x) {
  Upload *u = (Upload *)t;
  u->paused = u->whole = false;
  if (!source_rewind(&u->source)) {
    transfer_fail(t, NULL, FAILURE_SOURCE, "it cannot be read a second time");
    return -1;
  }
  if (make_mime(u, x) != 0) {
    transfer_fail(t, NULL, FAILURE_MEMORY, "out of memory");
    return -1;
  }
  session_limit_stall(t->session, x);
  exchange_keep_body(x);
  curl_easy_setopt(x->easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(x->easy, CURLOPT_MIMEPOST, u->mime);
  curl_easy_setopt(x->easy, CURLOPT_UPLOAD_BUFFERSIZE, buffer_size(u));
  curl_easy_setopt(x->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(x->easy, CURLOPT_XFERINFODATA, u);
  curl_easy_setopt(x->easy, CURLOPT_NOPROGRESS, 0L);
  return 0;
}

static void cleanup (Transfer *t) {
  Upload *u = (Upload *)t;
  curl_mime_free(u->mime);
  u->mime = NULL;
  u->paused = false;
}

/* The last boundary comes behind the file: a body of which one byte is missing
** is none that the service could have taken. */
static bool sent_whole (const Upload *u, const Exchange *x) {
  curl_off_t sent = 0, total = -1;
  curl_easy_getinfo(x->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
  curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_UPLOAD_T, &total);
  return u->whole || (total > 0 && sent >= total);
}

static void fail_source (Upload *u, Exchange *x) {
  Transfer *t = &u->base;
  if (u->source.error != 0)
    transfer_fail(t, x, FAILURE_FILE, "%s", strerror(u->source.error));
  else
    transfer_fail(t, x, FAILURE_SOURCE, "it ended after %lld of its %lld bytes",
                  (long long)u->source.at, (long long)u->source.size);
}

/* Not accepted, whatever becomes of the rest of the reply: 408, 429 and 503
** with Retry-After for now, any other 3xx and 4xx for good. */
static bool is_put_off (const Exchange *x) {
  long status = exchange_status(x);
  return status == 408 || status == 429 ||
         (status == 503 && x->has_retry_after);
}

static bool is_refused (const Exchange *x) {
  long status = exchange_status(x);
  return is_put_off(x) || (status >= 300 && status < 500);
}

static bool may_be_accepted (const Upload *u, const Exchange *x) {
  return !is_refused(x) && (exchange_status(x) >= 200 || sent_whole(u, x));
}

static void finish_refused (Upload *u, Exchange *x) {
  Transfer *t = &u->base;
  u->whole = false;
  if (is_put_off(x) && !x->overflow && source_can_rewind(&u->source))
    transfer_retry(t, x, CURLE_OK);
  else
    transfer_fail_exchange(t, x, CURLE_OK);
}

static void finish_broken (Upload *u, Exchange *x, CURLcode code) {
  Transfer *t = &u->base;
  if (may_be_accepted(u, x))
    transfer_fail(t, x, FAILURE_UNKNOWN_OUTCOME, "%s",
                  code == CURLE_SEND_FAIL_REWIND ? "the connection broke"
                                                 : exchange_error(x, code));
  else if ((code == CURLE_SEND_FAIL_REWIND || backoff_code(code)) &&
           source_can_rewind(&u->source))
    transfer_retry(t, x, code);
  else
    transfer_fail_exchange(t, x, code);
}

static void finish (Transfer *t, Exchange *x, CURLcode code) {
  Upload *u = (Upload *)t;
  if (code == CURLE_ABORTED_BY_CALLBACK) {
    fail_source(u, x);
  } else if (is_refused(x)) {
    finish_refused(u, x);
  } else if (code != CURLE_OK) {
    finish_broken(u, x, code);
  } else if (t->http_status >= 200 && t->http_status < 300) {
    transfer_progress(t, u->source.size, u->source.size, true);
    transfer_succeed(t, x);
  } else {
    transfer_fail(t, x, FAILURE_UNKNOWN_OUTCOME, "HTTP %ld", t->http_status);
  }
}

static void expire (Transfer *t, Exchange *x) {
  const Upload *u = (const Upload *)t;
  if (x != NULL && is_refused(x))
    transfer_fail_exchange(t, x, CURLE_OK);
  else if (x != NULL && may_be_accepted(u, x))
    transfer_fail(t, x, FAILURE_UNKNOWN_OUTCOME,
                  "the deadline passed before the reply");
  else
    transfer_fail(t, x, FAILURE_TIMEOUT,
                  "the deadline passed before the upload was whole");
}

static void destroy (Transfer *t) {
  Upload *u = (Upload *)t;
  char **field;
  for (field = u->fields; field != NULL && *field != NULL; field++)
    free(*field);
  free(u->fields);
  free(u->part);
  free(u->filename);
  free(u->content_type);
  source_close(&u->source);
}

static const Operation operation = {prepare, finish, expire, cleanup, destroy};

static int copy_fields (Upload *u, const UploadField *fields) {
  size_t i, count = 0;
  while (fields != NULL && fields[count].name != NULL)
    count++;
  u->fields = calloc(2 * count + 1, sizeof *u->fields);
  if (u->fields == NULL)
    return -1;
  for (i = 0; i < count; i++) {
    u->fields[2 * i] = strdup(fields[i].name);
    if (u->fields[2 * i] == NULL)
      return -1;
    u->fields[2 * i + 1] = strdup(fields[i].value);
    if (u->fields[2 * i + 1] == NULL)
      return -1;
  }
  return 0;
}

static int copy_names (Upload *u, const UploadOptions *o) {
  u->part = strdup(o->part);
  u->filename = strdup(o->filename);
  u->content_type = strdup(o->content_type);
  return u->part != NULL && u->filename != NULL && u->content_type != NULL ? 0
                                                                           : -1;
}

static int open_source (Upload *u, const UploadOptions *o) {
  if (o->path != NULL)
    return source_open_file(&u->source, o->path);
  if (o->data != NULL)
    return source_open_memory(&u->source, o->data, o->size);
  source_open_reader(&u->source, o->size);
  return 0;
}

Transfer *upload_open (Session *s, const UploadOptions *options,
                       int *file_error) {
  Upload *u = calloc(1, sizeof *u);
  int reason;
  *file_error = 0;
  if (u == NULL)
    return NULL;
  u->source.fd = -1;
  u->base.operation = &operation;
  u->base.api = true;
  u->base.place.is_long = true;
  errno = ENOMEM;
  if (copy_fields(u, options->fields) == 0 && copy_names(u, options) == 0) {
    if (open_source(u, options) == 0)
      return transfer_begin(&u->base, s, &options->transfer) == 0 ? &u->base
                                                                  : NULL;
    *file_error = options->path != NULL;
  }
  reason = errno;
  destroy(&u->base);
  free(u);
  errno = reason;
  return NULL;
}

int upload_feed (Transfer *t, const char *data, size_t size) {
  Upload *u = (Upload *)t;
  Source *s = &u->source;
  if (t->done)
    return -1;
  if (s->at + (int64_t)(s->queue.size + size) > s->size ||
      size > s->queue.limit - s->queue.size) {
    transfer_fail(t, NULL, FAILURE_SOURCE,
                  "it gives more than the %lld bytes it announced",
                  (long long)s->size);
    return -1;
  }
  if (buffer_append(&s->queue, data, size) != 0) {
    transfer_fail(t, NULL, FAILURE_MEMORY, "out of memory");
    return -1;
  }
  s->ended = size == 0;
  if (u->paused && t->exchange != NULL) {
    u->paused = false;
    /* libcurl may still have bytes of before the file in hand, and not have
    ** taken our word for a pause yet: only a pause that it knows is ended */
    curl_easy_pause(t->exchange->easy, CURLPAUSE_SEND);
    curl_easy_pause(t->exchange->easy, CURLPAUSE_CONT);
  }
  return 0;
}

bool upload_is_sent (const Transfer *t) {
  const Upload *u = (const Upload *)t;
  return t->exchange != NULL ? may_be_accepted(u, t->exchange) : u->whole;
}
