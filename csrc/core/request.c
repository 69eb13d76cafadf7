/* Small requests: they end with one usable reply, or poll for one after the
** other. */

#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "retry.h"
#include "source.h"
#include "transfer_private.h"

#define FIRST_INTERVAL_MS 500
#define LEAST_UNIT_MS 1000 /* a reply may take as long at any interval */
#define MOST_ABSENT 10     /* polls until a new task has to be known */

typedef struct Request {
  Transfer base;
  char *body;
  size_t body_size;
  bool puts, head;
  Source file; /* of a PUT */
  char etag[sizeof((Exchange *)0)->etag];
  int64_t length;
} Request;

/* Common to both: a reply in memory that must arrive within 'ms'. */
static void expect_reply (Transfer *t, Exchange *x, int ms) {
  transfer_limit(t, x, ms);
  exchange_keep_body(x);
  curl_easy_setopt(x->easy, CURLOPT_ACCEPT_ENCODING, "");
  transfer_share(t, x);
}

static size_t on_read (char *out, size_t one, size_t room, void *arg) {
  int64_t n = source_read(arg, out, one * room);
  return n >= 0 ? (size_t)n : CURL_READFUNC_ABORT;
}

static int on_seek (void *arg, curl_off_t offset, int origin) {
  return origin == SEEK_SET && offset == 0 && source_rewind(arg)
           ? CURL_SEEKFUNC_OK
           : CURL_SEEKFUNC_FAIL;
}

/* It takes as long as bytes move. */
static int put_prepare (Request *r, Exchange *x) {
  Transfer *t = &r->base;
  if (!source_rewind(&r->file)) {
    transfer_fail(t, NULL, FAILURE_FILE, "it cannot be read a second time");
    return -1;
  }
  exchange_keep_body(x);
  curl_easy_setopt(x->easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(x->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->file.size);
  curl_easy_setopt(x->easy, CURLOPT_READFUNCTION, on_read);
  curl_easy_setopt(x->easy, CURLOPT_READDATA, &r->file);
  curl_easy_setopt(x->easy, CURLOPT_SEEKFUNCTION, on_seek);
  curl_easy_setopt(x->easy, CURLOPT_SEEKDATA, &r->file);
  curl_easy_setopt(x->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(x->easy, CURLOPT_LOW_SPEED_TIME,
                   (long)t->session->settings.stall_timeout_s);
  return 0;
}

static int request_prepare (Transfer *t, Exchange *x) {
  Request *r = (Request *)t;
  if (r->puts)
    return put_prepare(r, x);
  expect_reply(t, x, t->session->settings.timeout_ms);
  curl_easy_setopt(x->easy, CURLOPT_NOBODY, (long)r->head);
  if (r->body != NULL) {
    curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)r->body_size);
    curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, r->body);
  }
  return 0;
}

static void note_head (Request *r, const Exchange *x) {
  curl_off_t length = -1;
  curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  memcpy(r->etag, x->etag, sizeof r->etag);
  r->length = length;
}

static void request_finish (Transfer *t, Exchange *x, CURLcode code) {
  Request *r = (Request *)t;
  long status = t->http_status;
  note_head(r, x);
  if (code == CURLE_ABORTED_BY_CALLBACK && r->puts)
    transfer_fail(t, x, FAILURE_FILE, "%s",
                  r->file.error != 0 ? strerror(r->file.error)
                                     : "it became shorter while it was sent");
  else if (x->overflow || (code != CURLE_OK && !retry_code(code)))
    transfer_fail_exchange(t, x, code);
  else if (code != CURLE_OK || retry_status(status))
    transfer_retry(t, x, code);
  else if (status >= 200 && status < 300)
    transfer_succeed(t, x);
  else if (r->body != NULL || r->puts || !transfer_redirect(t, x))
    transfer_fail_exchange(t, x, code);
}

int64_t request_again (Transfer *t) {
  int64_t ms = t->session != NULL ? transfer_pause(t, RETRY_ABSENT, -1) : -1;
  if (ms < 0 || transfer_revive(t, t->url) != 0)
    return -1;
  transfer_start_in(t, ms);
  return ms;
}

static void request_destroy (Transfer *t) {
  Request *r = (Request *)t;
  free(r->body);
  source_close(&r->file);
}

static const TransferType request_type = {.prepare = request_prepare,
                                          .finish = request_finish,
                                          .destroy = request_destroy};

static int copy_request (Request *r, const RequestOptions *options) {
  r->head = options->head;
  r->puts = options->path != NULL;
  if (options->path != NULL)
    return source_open_file(&r->file, options->path);
  if (options->body == NULL)
    return 0;
  errno = ENOMEM;
  r->body = malloc(options->body_size + 1);
  if (r->body == NULL)
    return -1;
  memcpy(r->body, options->body, options->body_size);
  r->body_size = options->body_size;
  return 0;
}

Transfer *request_open (Session *s, const RequestOptions *options) {
  Request *r = calloc(1, sizeof *r);
  int reason;
  if (r == NULL)
    return NULL;
  r->base.type = &request_type;
  r->base.api = options->transfer.signature.scope == NULL;
  r->file.fd = -1;
  r->length = -1;
  if (copy_request(r, options) == 0)
    return transfer_begin(&r->base, s, &options->transfer) == 0 ? &r->base
                                                                : NULL;
  reason = errno;
  request_destroy(&r->base);
  free(r);
  errno = reason;
  return NULL;
}

const char *request_etag (const Transfer *t) {
  return ((const Request *)t)->etag;
}

int64_t request_length (const Transfer *t) {
  return ((const Request *)t)->length;
}

typedef struct Poll {
  Transfer base;
  int interval_ms; /* the longest, and the usual one */
  int next_ms;     /* before the next attempt */
  int max_attempts;
  int64_t used;    /* attempts: one for each poll and each interval it hung */
  int64_t started; /* the poll that runs, or was last */
  bool listen, is_accepted;
  char reason[96]; /* of that failure */
} Poll;

/* How long an attempt may hang until it counts as another one. */
static int64_t unit_ms (const Poll *p) {
  return p->interval_ms > LEAST_UNIT_MS ? p->interval_ms : LEAST_UNIT_MS;
}

static int shorter (int ms, int64_t other) {
  return other < ms ? (int)other : ms;
}

/* No longer than the attempts that are left. */
static int poll_prepare (Transfer *t, Exchange *x) {
  const Settings *settings = &t->session->settings;
  Poll *p = (Poll *)t;
  int64_t left = (p->max_attempts - p->used) * unit_ms(p);
  p->started = clock_ms();
  curl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS,
                   (long)shorter(settings->connect_timeout_ms, left));
  expect_reply(t, x, shorter(settings->timeout_ms, left));
  return 0;
}

static int grow (Poll *p) {
  int ms = p->next_ms;
  p->next_ms = ms < p->interval_ms - ms / 2 ? ms + ms / 2 : p->interval_ms;
  return ms;
}

static bool is_same (const Transfer *t, const Exchange *x) {
  return t->body.data != NULL && t->body.size == x->body.size &&
         memcmp(t->body.data, x->body.data, x->body.size) == 0;
}

/* Report the attempt and wait for the next, or end if none is left: the time it
** took beyond its interval is deducted from the others.  If the service asks
** for a longer pause than they allow, it is polled once more after it. */
static void go_on (Poll *p, Event *event, bool tell, int64_t wait) {
  Transfer *t = &p->base;
  int64_t beyond = clock_ms() - p->started;
  bool last = p->used + 1 >= p->max_attempts;
  if (wait > p->interval_ms)
    beyond += wait - p->interval_ms;
  p->used += 1 + beyond / unit_ms(p);
  if (!last && wait > p->interval_ms && p->used >= p->max_attempts)
    p->used = p->max_attempts - 1;
  last = p->used >= p->max_attempts;
  event->next_ms = last ? -1 : wait;
  if (tell && session_post(t->session, event) != 0)
    transfer_fail(t, NULL, FAILURE_MEMORY, "out of memory");
  else if (!last)
    transfer_start_in(t, wait);
  else if (p->reason[0] != '\0')
    transfer_fail(t, NULL, FAILURE_ATTEMPTS, "%s", p->reason);
  else
    transfer_fail(t, NULL, FAILURE_ATTEMPTS, "the attempts are used up");
}

static void replied (Poll *p, Exchange *x) {
  Transfer *t = &p->base;
  Event event = transfer_event(t, EVENT_REPLY);
  event.same = is_same(t, x);
  if (!event.same) {
    transfer_take_body(t, x);
    t->redirects = 0;
  }
  p->reason[0] = '\0';
  go_on(p, &event, p->listen || !event.same, grow(p));
}

static void stumbled (Poll *p, Exchange *x, CURLcode code) {
  Event event = transfer_event(&p->base, EVENT_RETRY);
  int64_t wait = grow(p);
  long asked = exchange_retry_after(x);
  if (code == CURLE_OK && p->base.http_status < 300)
    strcpy(p->reason, "an empty reply");
  else
    transfer_reason(x, code, p->reason, sizeof p->reason);
  memcpy(event.reason, p->reason, sizeof event.reason);
  if (wait < transfer_asked_ms(&p->base, asked))
    wait = transfer_asked_ms(&p->base, asked);
  if (code == CURLE_OK)
    transfer_heed(&p->base, x, wait);
  if (asked > 0 && !transfer_may_wait(&p->base, wait))
    transfer_fail_exchange(&p->base, x, code);
  else
    go_on(p, &event, true, wait);
}

/* A task that was just accepted may not be known yet to all parts of the
** service. */
static bool is_absent_yet (const Poll *p, CURLcode code) {
  const Transfer *t = &p->base;
  return p->is_accepted && code == CURLE_OK && t->http_status == 404 &&
         t->body.data == NULL && t->attempts < MOST_ABSENT &&
         p->used + 1 < p->max_attempts;
}

static void poll_finish (Transfer *t, Exchange *x, CURLcode code) {
  Poll *p = (Poll *)t;
  long status = t->http_status;
  bool success = code == CURLE_OK && status >= 200 && status < 300;
  if (x->overflow)
    transfer_fail_exchange(t, x, code);
  else if (success && x->body.size != 0)
    replied(p, x);
  else if (success || (code == CURLE_OK && retry_status(status)) ||
           (code != CURLE_OK && retry_code(code)) || is_absent_yet(p, code))
    stumbled(p, x, code);
  else if (code != CURLE_OK || !transfer_redirect(t, x))
    transfer_fail_exchange(t, x, code);
  else
    t->attempts--; /* the redirect's target is asked at once, as one attempt */
}

static const TransferType poll_type = {.prepare = poll_prepare,
                                       .finish = poll_finish};

Transfer *poll_open (Session *s, const PollOptions *options) {
  Poll *p = calloc(1, sizeof *p);
  if (p == NULL)
    return NULL;
  p->base.type = &poll_type;
  p->base.api = true;
  p->interval_ms = options->interval_ms;
  p->next_ms = options->interval_ms < FIRST_INTERVAL_MS ? options->interval_ms
                                                        : FIRST_INTERVAL_MS;
  p->max_attempts = options->max_attempts;
  p->listen = options->listen;
  p->is_accepted = options->is_accepted;
  return transfer_begin(&p->base, s, &options->transfer) == 0 ? &p->base : NULL;
}
