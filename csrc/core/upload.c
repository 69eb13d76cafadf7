/* The paid upload, and the verdict on its outcome. */

#include "upload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "retry.h"
#include "source.h"
#include "transfer_private.h"

typedef struct Upload {
  Transfer base;
  Source source;
  bool paused;      /* libcurl waits for the reader */
  bool whole;       /* the last byte of this attempt's body was sent */
  bool untaken;     /* HTTP/2 says that this attempt's stream was not
                    ** processed */
  bool no_expect;   /* Expect was answered by 417 */
  int64_t overhead; /* bytes of the body that are not the file's */
  int64_t moved;    /* bytes of both directions, and 1 for a reply's head */
  int64_t reply_at; /* when the reply has to be whole */
  curl_mime *mime;  /* of the attempt that runs */
  char **fields;    /* name, value, name, value, …, NULL */
  char *part, *filename, *content_type, *accepted;
  Buffer raw; /* how the reply's body begins, as it came */
  char location[sizeof((Exchange *)0)->location];
  char task_id[sizeof((Exchange *)0)->task_id];
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

/* libcurl rewinds a body to resend it on its own if HTTP/2 refused the stream or
** wants HTTP/1.1.  That could create a second job, so the rewind fails, and
** 'finish' decides whether to send again. */
static int on_seek (void *arg, curl_off_t offset, int origin) {
  Upload *u = arg;
  if (origin == SEEK_SET && offset == u->source.at)
    return CURL_SEEKFUNC_OK;
  if (u->source.at >= u->source.size)
    u->whole = true; /* as far as we know */
  return CURL_SEEKFUNC_FAIL;
}

static int stall_ms (const Transfer *t) {
  int seconds = t->session->settings.stall_timeout_s;
  return seconds < INT32_MAX / 1000 ? seconds * 1000 : INT32_MAX;
}

/* Bytes must move within the stall timeout, except while the service works:
** between the body's last byte and the reply's head.  A reply that begins then,
** or before the whole body was taken, may not take forever. */
static void limit (Upload *u, int64_t moved) {
  Transfer *t = &u->base;
  long status = exchange_status(t->exchange);
  bool has_reply = status != 0 || t->exchange->body.size > 0;
  int64_t now = clock_ms(), stall_at = now + stall_ms(t);
  int reply_ms = t->session->settings.reply_timeout_ms;
  moved += has_reply;
  if (moved == u->moved || !transfer_has_begun(t))
    return;
  u->moved = moved;
  if (u->reply_at == CLOCK_NEVER && (u->whole || status >= 300))
    u->reply_at = now + reply_ms;
  if ((u->whole && !has_reply) || u->reply_at < stall_at)
    transfer_limit_at(t, u->reply_at, reply_ms, "no complete reply within");
  else
    transfer_limit_at(t, stall_at, stall_ms(t), "no bytes moved for");
}

/* On its own new connection libcurl counts from 0: what went out on the one
** that died has to be kept here. */
static int on_progress (void *arg, curl_off_t down_total, curl_off_t down,
                        curl_off_t up_total, curl_off_t up) {
  Upload *u = arg;
  (void)down_total;
  if (u->base.exchange == NULL)
    return 0; /* libcurl says goodbye */
  if (up_total > 0 && up >= up_total)
    u->whole = true;
  limit(u, up + down);
  if (up_total > 0)
    u->overhead = up_total - u->source.size;
  up -= u->overhead;
  if (up > 0)
    transfer_progress(&u->base, up, u->source.size, false);
  return 0;
}

/* Streams after the last one that a GOAWAY names were not processed, nor was
** one that is refused (RFC 9113 6.8, 8.7). libcurl reports this only in its
** log.  The upload has its connection's first stream, as the connection is its
** own. */
static void read_log (Upload *u, const char *text, size_t size) {
  char line[96];
  const char *last;
  snprintf(line, sizeof line, "%.*s", (int)size, text);
  last = strstr(line, " GOAWAY, error=");
  last = last != NULL ? strstr(last, "last_stream=") : NULL;
  if (strncmp(line, "REFUSED_STREAM", 14) == 0 ||
      (last != NULL && strtol(last + 12, NULL, 10) == 0))
    u->untaken = true;
}

/* A body that libcurl rejects, as it is not encoded as its head says, or of
** which it returns only a part, may still hold an id. */
static void keep_raw (Upload *u, const char *data, size_t size) {
  size_t room = u->raw.limit - u->raw.size;
  buffer_append(&u->raw, data, size < room ? size : room);
}

static int on_log (CURL *easy, curl_infotype type, char *text, size_t size,
                   void *arg) {
  (void)easy;
  if (type == CURLINFO_TEXT)
    read_log(arg, text, size);
  else if (type == CURLINFO_DATA_IN)
    keep_raw(arg, text, size);
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
  long limit = session_buffer(u->base.session);
  return u->source.size < limit ? (long)u->source.size : limit;
}

static int prepare (Transfer *t, Exchange *x) {
  Upload *u = (Upload *)t;
  u->paused = u->whole = u->untaken = false;
  u->moved = -1;
  u->reply_at = CLOCK_NEVER;
  u->raw.size = 0;
  u->location[0] = u->task_id[0] = '\0';
  if (!source_rewind(&u->source)) {
    transfer_fail(t, NULL, FAILURE_SOURCE, "it cannot be read a second time");
    return -1;
  }
  if (make_mime(u, x) != 0) {
    transfer_fail(t, NULL, FAILURE_MEMORY, "out of memory");
    return -1;
  }
  transfer_limit(t, x, stall_ms(t));
  exchange_keep_body(x);
  x->body.limit = UPLOAD_REPLY_LIMIT;
  x->error_limit = UPLOAD_BODY_LIMIT;
  curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(x->easy, CURLOPT_MAXREDIRS, 0L); /* or it repeats at a 417 */
  curl_easy_setopt(x->easy, CURLOPT_DEBUGFUNCTION, on_log);
  curl_easy_setopt(x->easy, CURLOPT_DEBUGDATA, u);
  curl_easy_setopt(x->easy, CURLOPT_VERBOSE, 1L);
  curl_easy_setopt(x->easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(x->easy, CURLOPT_HTTP09_ALLOWED, 1L); /* it may hold an id */
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

/* The last boundary follows the file: a service cannot have accepted a body of
** which one byte is missing. */
static bool sent_whole (const Upload *u, const Exchange *x) {
  curl_off_t sent = 0, total = -1;
  curl_easy_getinfo(x->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
  curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_UPLOAD_T, &total);
  return u->whole || (total > 0 && sent >= total);
}

static void fail_source (Upload *u, Exchange *x) {
  Transfer *t = &u->base;
  if (u->source.changed)
    transfer_fail(t, x, FAILURE_SOURCE,
                  "it has changed since it was checked, and was not sent");
  else if (u->source.error != 0)
    transfer_fail(t, x, FAILURE_FILE, "%s", strerror(u->source.error));
  else
    transfer_fail(t, x, FAILURE_SOURCE, "it ended after %lld of its %lld bytes",
                  (long long)u->source.at, (long long)u->source.size);
}

static const char *skip_spaces (const char *at, const char *end) {
  while (at < end && strchr(" \t\r\n", *at) != NULL)
    at++;
  return at;
}

/* A key is followed by a string that is not empty, or by a number. */
static bool has_value (const char *at, const char *end) {
  at = skip_spaces(at, end);
  if (at == end || *at != ':')
    return false;
  at = skip_spaces(at + 1, end);
  if (end - at > 1 && *at == '"')
    return at[1] != '"';
  return at < end && *at >= '0' && *at <= '9';
}

/* Past 'key' and its closing quote; NULL if it is another key. */
static const char *skip_key (const char *at, const char *end, const char *key) {
  for (; at < end && *at != '"'; at++) {
    if (*at == '_' || *at == '-')
      continue;
    if ((*at | 0x20) != *key)
      return NULL;
    key++;
  }
  return at < end && *key == '\0' ? at + 1 : NULL;
}

static bool body_names_task (const Upload *u, const Exchange *x) {
  const char *at = x->body.data, *end = at + x->body.size;
  if (u->accepted == NULL || at == NULL)
    return false;
  while ((at = memchr(at, '"', (size_t)(end - at))) != NULL) {
    const char *value = skip_key(++at, end, u->accepted);
    if (value != NULL && has_value(value, end))
      return true;
  }
  return false;
}

/* A location below the upload's own URL. */
static bool location_names_task (const Upload *u, const Exchange *x) {
  const char *path = strstr(u->base.url, "://"), *found;
  size_t n;
  path = path != NULL ? strchr(path + 3, '/') : NULL;
  if (path == NULL)
    return false;
  n = strcspn(path, "?#");
  for (found = x->location; (found = strchr(found, '/')) != NULL; found++)
    if (strncmp(found, path, n) == 0 && found[n] == '/' && found[n + 1] != '\0')
      return true;
  return false;
}

static bool names_task (const Upload *u, const Exchange *x) {
  return body_names_task(u, x) || location_names_task(u, x) ||
         x->task_id[0] != '\0';
}

/* Not accepted for now. */
static bool is_put_off (const Exchange *x) {
  long status = exchange_status(x);
  return status == 408 || status == 429 ||
         (status == 503 && x->has_retry_after);
}

/* Certainly not accepted, whatever the rest of the reply: deferred, or rejected
** by a service that has read the request.  A 303 or 409 may come after a task
** was created, and a status above 451, such as 499, is a proxy's. */
static bool is_refused (const Upload *u, const Exchange *x) {
  long status = exchange_status(x);
  return (is_put_off(x) || (status >= 300 && status <= 451 && status != 303 &&
                            status != 304 && status != 409)) &&
         !names_task(u, x);
}

static bool may_be_accepted (const Upload *u, const Exchange *x) {
  return !is_refused(u, x) &&
         (exchange_status(x) >= 200 || (!u->untaken && sent_whole(u, x)));
}

/* A proxy or service that does not know Expect: asked again without. */
static bool drop_expect (Upload *u, const Exchange *x) {
  Transfer *t = &u->base;
  struct curl_slist *longer;
  if (exchange_status(x) != 417 || u->no_expect ||
      !source_can_rewind(&u->source))
    return false;
  longer = curl_slist_append(t->headers, "Expect:");
  if (longer == NULL)
    return false;
  t->headers = longer;
  u->no_expect = true;
  u->whole = false;
  transfer_start_in(t, 0);
  return true;
}

static void finish_refused (Upload *u, Exchange *x) {
  Transfer *t = &u->base;
  if (drop_expect(u, x))
    return;
  u->whole = false;
  if (is_put_off(x) && !x->overflow && source_can_rewind(&u->source))
    transfer_retry(t, x, CURLE_OK);
  else
    transfer_fail_exchange(t, x, CURLE_OK);
}

static void finish_unsent (Upload *u, Exchange *x, CURLcode code) {
  Transfer *t = &u->base;
  u->whole = false; /* maybe sent, but not processed */
  if ((code == CURLE_SEND_FAIL_REWIND || retry_code(code)) &&
      source_can_rewind(&u->source))
    transfer_retry(t, x, code);
  else
    transfer_fail_exchange(t, x, code);
}

static void finish_broken (Upload *u, Exchange *x, CURLcode code) {
  Transfer *t = &u->base;
  if (may_be_accepted(u, x))
    transfer_fail(t, x, FAILURE_UNKNOWN_OUTCOME, "%s", exchange_error(x, code));
  else
    finish_unsent(u, x, code);
}

/* The part of the raw body after what libcurl returned. */
static void keep_rest (Upload *u, Exchange *x) {
  size_t given = x->body.size;
  if (u->raw.size > given && !names_task(u, x) &&
      (given == 0 || memcmp(u->raw.data, x->body.data, given) == 0))
    buffer_append(&x->body, u->raw.data + given, u->raw.size - given);
}

static void keep_reply (Upload *u, Exchange *x) {
  memcpy(u->location, x->location, sizeof u->location);
  memcpy(u->task_id, x->task_id, sizeof u->task_id);
  keep_rest(u, x);
}

static void finish (Transfer *t, Exchange *x, CURLcode code) {
  Upload *u = (Upload *)t;
  keep_reply(u, x);
  if (code == CURLE_OK && x->status == 0) {
    snprintf(x->error, sizeof x->error, "the reply is not HTTP");
    code = CURLE_WEIRD_SERVER_REPLY;
  }
  if (code == CURLE_ABORTED_BY_CALLBACK && t->http_status == 0) {
    fail_source(u, x);
  } else if (is_refused(u, x)) {
    finish_refused(u, x);
  } else if (code != CURLE_OK) {
    finish_broken(u, x, code);
  } else if (t->http_status >= 200 && t->http_status < 300) {
    transfer_progress(t, u->source.size, u->source.size, true);
    transfer_succeed(t, x);
  } else {
    transfer_fail(t, x, FAILURE_UNKNOWN_OUTCOME, "HTTP %ld%s%.*s", x->status,
                  x->location[0] != '\0' ? ", see " : "",
                  (int)strcspn(x->location, "?#"), x->location);
  }
}

static void expire (Transfer *t, Exchange *x) {
  Upload *u = (Upload *)t;
  if (x != NULL)
    keep_reply(u, x);
  if (x != NULL && is_refused(u, x))
    transfer_fail_exchange(t, x, CURLE_OK);
  else if (x != NULL && may_be_accepted(u, x))
    transfer_fail(t, x, FAILURE_UNKNOWN_OUTCOME,
                  "the deadline passed before the reply");
  else
    transfer_fail(t, x, FAILURE_TIMEOUT,
                  "the deadline passed before the upload was complete");
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
  free(u->accepted);
  buffer_free(&u->raw);
  source_close(&u->source);
}

static const TransferType type = {.prepare = prepare,
                                  .finish = finish,
                                  .expire = expire,
                                  .cleanup = cleanup,
                                  .destroy = destroy};

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
  u->accepted = o->accepted != NULL ? strdup(o->accepted) : NULL;
  return u->part != NULL && u->filename != NULL && u->content_type != NULL &&
             (u->accepted != NULL || o->accepted == NULL)
           ? 0
           : -1;
}

static int open_source (Upload *u, const UploadOptions *o) {
  if (o->path != NULL)
    return source_open_file(&u->source, o->path);
  if (o->data != NULL)
    source_open_memory(&u->source, o->data, o->size);
  else
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
  u->base.type = &type;
  u->base.api = true;
  u->base.place.is_long = true;
  u->raw.limit = UPLOAD_BODY_LIMIT;
  errno = ENOMEM;
  if (copy_fields(u, options->fields) == 0 && copy_names(u, options) == 0) {
    if (options->hash || options->sha256 != NULL)
      source_hash(&u->source, options->sha256);
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
                  "it returned more than the %lld bytes it announced",
                  (long long)s->size);
    return -1;
  }
  if (buffer_append(&s->queue, data, size) != 0) {
    transfer_fail(t, NULL, FAILURE_MEMORY, "out of memory");
    return -1;
  }
  s->ended = size == 0;
  if (t->limit_at != CLOCK_NEVER)
    t->limit_at = clock_ms() + t->limit_ms; /* a slow reader is no stall */
  if (u->paused && t->exchange != NULL) {
    u->paused = false;
    /* libcurl may still be sending bytes that precede the file, and not know of
    ** the pause yet: only a pause that it knows of is ended */
    curl_easy_pause(t->exchange->easy, CURLPAUSE_SEND);
    curl_easy_pause(t->exchange->easy, CURLPAUSE_CONT);
  }
  return 0;
}

const char *upload_location (const Transfer *t) {
  return t->exchange != NULL ? t->exchange->location
                             : ((const Upload *)t)->location;
}

const char *upload_sha256 (const Transfer *t) {
  const Upload *u = (const Upload *)t;
  return u->source.sum[0] != '\0' ? u->source.sum : NULL;
}

const char *upload_task_id (const Transfer *t) {
  return t->exchange != NULL ? t->exchange->task_id
                             : ((const Upload *)t)->task_id;
}

bool upload_is_sent (const Transfer *t) {
  const Upload *u = (const Upload *)t;
  return t->exchange != NULL ? may_be_accepted(u, t->exchange) : u->whole;
}

bool upload_has_begun (const Transfer *t) {
  return t->done || (t->exchange != NULL && transfer_has_begun(t));
}
