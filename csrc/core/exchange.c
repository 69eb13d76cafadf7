/* One HTTP exchange on a libcurl easy handle. */

#include "exchange.h"

#include <stdlib.h>
#include <string.h>

#include "retry.h"

static void forget_reply (Exchange *x) {
  x->status = 0;
  x->header_bytes = 0;
  x->has_retry_after = false;
  x->retry_after[0] = x->date[0] = '\0';
  x->etag[0] = x->content_type[0] = x->disposition[0] = x->content_range[0] =
    '\0';
  x->location[0] = x->last_modified[0] = x->repr_digest[0] = '\0';
  x->content_encoding[0] = x->task_id[0] = '\0';
}

/* The value of header 'name' when 'line' is that header, else NULL. */
static const char *value_of (const char *line, size_t size, const char *name,
                             size_t n, size_t *length) {
  const char *end = line + size;
  if (size <= n || line[n] != ':' || !curl_strnequal(line, name, n))
    return NULL;
  line += n + 1;
  while (line < end && (*line == ' ' || *line == '\t'))
    line++;
  while (end > line && (unsigned char)end[-1] <= ' ')
    end--;
  *length = (size_t)(end - line);
  return line;
}

/* Some values are passed on in requests and messages, so one with control
** characters, such as a bare CR, is ignored (RFC 9110 5.5). */
static bool is_clean (const char *value, size_t length) {
  for (size_t i = 0; i < length; i++)
    if ((unsigned char)value[i] < ' ' ? value[i] != '\t' : value[i] == 0x7F)
      return false;
  return true;
}

/* A value that does not fit counts as absent: half an ETag is no ETag. */
static void note (char *to, size_t room, const char *line, size_t size,
                  const char *name, size_t n) {
  size_t length;
  const char *value = value_of(line, size, name, n, &length);
  if (value == NULL || length >= room || !is_clean(value, length))
    return;
  memcpy(to, value, length);
  to[length] = '\0';
}

/* For literals, whose length the compiler knows. */
#define NOTE(field, name)                                                      \
  note(x->field, sizeof x->field, line, size, name, sizeof name - 1)

static size_t on_header (char *line, size_t one, size_t size, void *arg) {
  Exchange *x = arg;
  size_t length;
  (void)one;
  /* 100 Continue, a proxy's reply and redirects come before the last block */
  if (size > 5 && strncmp(line, "HTTP/", 5) == 0) {
    forget_reply(x);
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &x->status);
  }
  x->header_bytes += size;
  if (x->header_bytes > HEADER_LIMIT) {
    x->overflow = true;
    return 0;
  }
  NOTE(etag, "ETag");
  NOTE(last_modified, "Last-Modified");
  NOTE(repr_digest, "Repr-Digest");
  NOTE(content_type, "Content-Type");
  NOTE(disposition, "Content-Disposition");
  NOTE(content_range, "Content-Range");
  NOTE(content_encoding, "Content-Encoding");
  if (x->location[0] == '\0') { /* where a 201 or 202 may name what it made */
    NOTE(location, "Content-Location");
    NOTE(location, "Operation-Location");
  }
  NOTE(location, "Location");
  NOTE(date, "Date");
  NOTE(retry_after, "Retry-After");
  NOTE(task_id, "Task-Id");
  NOTE(task_id, "X-Task-Id");
  if (value_of(line, size, "Retry-After", 11, &length) != NULL)
    x->has_retry_after = true;
  return size;
}

static bool keep (Exchange *x, const char *data, size_t size) {
  if (size > x->body.limit - x->body.size)
    return false;
  x->no_memory = buffer_append(&x->body, data, size) != 0;
  return !x->no_memory;
}

/* The beginning of an error's body is kept and the rest drained, up to the
** ceiling of any reply, so that the connection stays usable. */
static bool keep_error (Exchange *x, const char *data, size_t size) {
  size_t room = x->error_limit - x->body.size;
  x->discarded += size;
  return x->discarded <= REPLY_LIMIT &&
         keep(x, data, size < room ? size : room);
}

size_t exchange_on_body (char *data, size_t one, size_t size, void *arg) {
  Exchange *x = arg;
  (void)one;
  if (exchange_status(x) < 300 ? keep(x, data, size)
                               : keep_error(x, data, size))
    return size;
  x->overflow = true;
  return 0;
}

static void configure (Exchange *x) {
  x->body.limit = REPLY_LIMIT;
  x->error_limit = ERROR_BODY_LIMIT;
  x->error[0] = '\0';
  curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
  curl_easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->error);
  curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
  curl_easy_setopt(x->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
}

Exchange *exchange_open (void) {
  Exchange *x = calloc(1, sizeof *x);
  if (x == NULL)
    return NULL;
  x->easy = curl_easy_init();
  if (x->easy == NULL) {
    free(x);
    return NULL;
  }
  configure(x);
  return x;
}

static void drop_headers (Exchange *x) {
  if (!x->shared_headers)
    curl_slist_free_all(x->headers);
  x->headers = NULL;
  x->shared_headers = false;
}

void exchange_close (Exchange *x) {
  if (x == NULL)
    return;
  curl_easy_cleanup(x->easy);
  drop_headers(x);
  buffer_free(&x->body);
  free(x);
}

void exchange_reset (Exchange *x) {
  curl_easy_reset(x->easy);
  drop_headers(x);
  buffer_free(&x->body);
  x->owner = NULL;
  x->discarded = 0;
  x->overflow = x->no_memory = false;
  forget_reply(x);
  configure(x);
}

void exchange_keep_body (Exchange *x) {
  curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, exchange_on_body);
  curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
}

void exchange_begin (Exchange *x) {
  forget_reply(x);
}

/* Not by CURLINFO_RESPONSE_CODE, which keeps the status of an earlier message
** of the same transfer until a further one comes. */
long exchange_status (const Exchange *x) {
  return x->status < 200 ? 0 : x->status;
}

bool exchange_is_multiplexed (const Exchange *x) {
  long version = 0;
  curl_easy_getinfo(x->easy, CURLINFO_HTTP_VERSION, &version);
  return version >= CURL_HTTP_VERSION_2_0;
}

long exchange_retry_after (const Exchange *x) {
  return x->has_retry_after ? retry_after_read(x->retry_after, x->date) : -1;
}

const char *exchange_error (const Exchange *x, CURLcode code) {
  if (x->overflow)
    return "the reply is larger than allowed";
  if (code == CURLE_SEND_FAIL_REWIND)
    return "the connection broke";
  return x->error[0] != '\0' ? x->error : curl_easy_strerror(code);
}
