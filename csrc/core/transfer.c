/* What every transfer does: attempts, pauses, the deadline and the end. */

#include "transfer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "retry.h"
#include "transfer_private.h"
#include "url.h"

#define PROGRESS_MS 100 /* at most ten progress events a second */
#define LONGEST_PAUSE_MS 120000
#define PAID_PAUSE_MS 600000
#define ENDLESS_PAUSE_MS 3600000 /* if the wait has no limit */
#define STREAM_LIMIT 100 /* of one HTTP/2 connection, as libcurl has it */
#define NO_REPLY "no reply within"

static void release (Transfer *t) {
  if (t->type->destroy != NULL)
    t->type->destroy(t);
  curl_slist_free_all(t->headers);
  buffer_free(&t->body);
  free(t->failure.message);
  free((char *)t->signature.scope);
  free((char *)t->signature.user);
  free((char *)t->signature.secret);
  free(t->url);
  free(t);
}

static int64_t earlier (int64_t a, int64_t b) {
  return a < b ? a : b;
}

static void reschedule (Transfer *t) {
  int64_t at = earlier(t->start_at, earlier(t->limit_at, t->deadline));
  session_schedule(t->session, t, at);
}

static int copy_headers (Transfer *t, const char *const *line) {
  for (; line != NULL && *line != NULL; line++) {
    struct curl_slist *longer = curl_slist_append(t->headers, *line);
    if (longer == NULL)
      return -1;
    t->headers = longer;
  }
  return 0;
}

/* Older ones do not sign the digest of what is sent.  0, or an errno. */
static int copy_signature (Signature *to, const Signature *from) {
  if (from->scope == NULL)
    return 0;
  if (LIBCURL_VERSION_NUM < 0x075700 ||
      curl_version_info(CURLVERSION_NOW)->version_num < 0x075700)
    return ENOTSUP;
  to->scope = strdup(from->scope);
  to->user = strdup(from->user);
  to->secret = strdup(from->secret);
  return to->scope != NULL && to->user != NULL && to->secret != NULL ? 0
                                                                     : ENOMEM;
}

int transfer_begin (Transfer *t, Session *s, const TransferOptions *options) {
  int reason = session_join(s, t, options->url);
  if (reason == 0)
    reason = copy_signature(&t->signature, &options->signature);
  if (reason != 0)
    goto fail;
  reason = ENOMEM;
  t->url = url_canonical(options->url);
  if (t->url == NULL || copy_headers(t, options->headers) != 0)
    goto fail;
  t->deadline = options->deadline;
  t->retries = t->budget = options->retries;
  t->patience_ms = options->patience_ms < CLOCK_NEVER / 2 ? options->patience_ms
                                                          : CLOCK_NEVER / 2;
  t->endless = options->endless;
  t->progress = options->progress;
  t->start_at = clock_ms();
  t->limit_at = CLOCK_NEVER;
  if (session_adopt(s, t) != 0)
    goto fail;
  if (session_begin(s) == 0) {
    reschedule(t);
    return 0;
  }
  session_release(s, t);
fail:
  host_queue_part(&s->queues, t);
  release(t);
  errno = reason;
  return -1;
}

/* 't' leaves its host to those that wait for it. */
static void make_room (Transfer *t) {
  Transfer *next;
  while ((next = host_queue_leave(t)) != NULL) {
    next->start_at = clock_ms();
    reschedule(next);
  }
}

/* The attempt is over, however it went. */
static void end_attempt (Transfer *t) {
  Exchange *x = t->exchange;
  if (x != NULL && exchange_is_multiplexed(x))
    host_queue_widen(t, STREAM_LIMIT);
  make_room(t);
  if (x == NULL)
    return;
  t->exchange = NULL;
  t->limit_at = CLOCK_NEVER;
  session_unpause(t->session, t);
  session_end_exchange(t->session, x);
  if (t->type->cleanup != NULL)
    t->type->cleanup(t);
}

static void end (Transfer *t) {
  Event event;
  if (t->done)
    return; /* its owner used it after its end, and that failed */
  end_attempt(t);
  t->done = true;
  t->start_at = CLOCK_NEVER;
  session_schedule(t->session, t, CLOCK_NEVER);
  t->session->active--;
  event = transfer_event(t, EVENT_DONE);
  session_post(t->session, &event);
}

void transfer_take_body (Transfer *t, Exchange *x) {
  Buffer old = t->body;
  t->body = x->body;
  old.size = 0;
  x->body = old;
}

void transfer_settle (Transfer *t, Exchange *x) {
  memcpy(t->disposition, x->disposition, sizeof t->disposition);
  transfer_take_body(t, x);
  end_attempt(t);
  t->start_at = CLOCK_NEVER;
  session_schedule(t->session, t, CLOCK_NEVER);
}

void transfer_conclude (Transfer *t) {
  end(t);
}

void transfer_succeed (Transfer *t, Exchange *x) {
  transfer_settle(t, x);
  transfer_conclude(t);
}

bool transfer_must_pause (Transfer *t) {
  Session *s = t->session;
  bool has_had = t->act == s->acts;
  t->act = s->acts;
  if (!has_had || !session_is_late(s) ||
      exchange_is_multiplexed(t->exchange)) /* others share its connection */
    return false;
  session_pause(s, t);
  return true;
}

void transfer_fail (Transfer *t, Exchange *x, FailureKind kind,
                    const char *format, ...) {
  Failure *failure = &t->failure;
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  free(failure->message);
  *failure = (Failure){.kind = kind,
                       .http_status = t->http_status,
                       .retry_after_s = -1,
                       .message = strdup(text)};
  if (x != NULL) {
    failure->retry_after_s = exchange_retry_after(x);
    failure->sent_away =
      failure->retry_after_s >= 0 &&
      !transfer_may_wait(t, transfer_asked_ms(t, failure->retry_after_s));
    transfer_take_body(t, x);
  }
  end(t);
}

/* What arrived of the body is unusable. */
static void fail_overflow (Transfer *t, Exchange *x) {
  buffer_free(&x->body);
  transfer_fail(t, x, FAILURE_PROTOCOL, "%s", exchange_error(x, CURLE_OK));
}

void transfer_fail_exchange (Transfer *t, Exchange *x, CURLcode code) {
  if (x->no_memory || code == CURLE_OUT_OF_MEMORY)
    transfer_fail(t, x, FAILURE_MEMORY, "out of memory");
  else if (x->overflow)
    fail_overflow(t, x);
  else if (code == CURLE_OK && t->http_status >= 300 && t->http_status < 400 &&
           x->location[0] != '\0')
    transfer_fail(t, x, FAILURE_PROTOCOL, "a redirect to \"%.*s\"",
                  (int)strcspn(x->location, "?#"), x->location);
  else if (code == CURLE_OK)
    transfer_fail(t, x, FAILURE_HTTP, "HTTP %ld", t->http_status);
  else if (code == CURLE_TOO_MANY_REDIRECTS)
    transfer_fail(t, x, FAILURE_PROTOCOL, "too many redirects");
  else if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT)
    transfer_fail(t, x, FAILURE_PROTOCOL,
                  "a redirect to something that is not %s",
                  strncmp(t->url, "https:", 6) == 0 ? "https" : "http(s)");
  else
    transfer_fail(t, x, FAILURE_NETWORK, "%s", exchange_error(x, code));
}

Event transfer_event (const Transfer *t, EventType type) {
  Event event;
  memset(&event, 0, sizeof event);
  event.id = t->id;
  event.type = type;
  event.attempt = t->attempts;
  event.http_status = t->http_status;
  event.next_ms = -1;
  event.total = -1;
  return event;
}

#if LIBCURL_VERSION_NUM >= 0x075000
static int on_request (void *arg, char *to, char *from, int to_port,
                       int from_port) {
  Transfer *t = arg;
  (void)to;
  (void)from;
  (void)to_port;
  (void)from_port;
  exchange_begin(t->exchange);
  if (t->limit_ms != 0)
    transfer_limit_at(t, clock_ms() + t->limit_ms, t->limit_ms, NO_REPLY);
  return CURL_PREREQFUNC_OK;
}
#endif

static void observe (Transfer *t, Exchange *x) {
  t->limit_ms = 0;
#if LIBCURL_VERSION_NUM >= 0x075000
  curl_easy_setopt(x->easy, CURLOPT_PREREQFUNCTION, on_request);
  curl_easy_setopt(x->easy, CURLOPT_PREREQDATA, t);
#endif
}

void transfer_limit (Transfer *t, Exchange *x, int ms) {
  t->limit_ms = ms;
#if LIBCURL_VERSION_NUM < 0x075000
  curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, (long)ms);
#else
  (void)x;
#endif
}

/* Called from within libcurl, it only takes note: see on_socket in session.c */
void transfer_limit_at (Transfer *t, int64_t at, int ms, const char *words) {
  t->limit_at = at;
  t->limit_ms = ms;
  t->limit_words = words;
  reschedule(t);
}

void transfer_share (const Transfer *t, Exchange *x) {
  long is_tls = strncmp(t->url, "https:", 6) == 0;
  curl_easy_setopt(x->easy, CURLOPT_PIPEWAIT, is_tls);
}

static void overrun (Transfer *t) {
  snprintf(t->exchange->error, sizeof t->exchange->error, "%s %g s",
           t->limit_words, t->limit_ms / 1000.0);
  transfer_finish(t, CURLE_OPERATION_TIMEDOUT);
}

void transfer_reason (const Exchange *x, CURLcode code, char *out,
                      size_t room) {
  if (code == CURLE_OK)
    snprintf(out, room, "HTTP %ld", exchange_status(x));
  else
    snprintf(out, room, "%s", exchange_error(x, code));
}

void transfer_start_in (Transfer *t, int64_t ms) {
  end_attempt(t);
  t->start_at = clock_ms() + ms;
  reschedule(t);
}

bool transfer_has_begun (const Transfer *t) {
#if LIBCURL_VERSION_NUM >= 0x075000
  return t->limit_at != CLOCK_NEVER;
#else
  return t->exchange != NULL;
#endif
}

bool transfer_may_wait (const Transfer *t, int64_t ms) {
  if (t->deadline == CLOCK_NEVER)
    return t->endless || ms <= t->patience_ms ||
           ms <= (t->patience_ms > 0 ? PAID_PAUSE_MS : LONGEST_PAUSE_MS);
  return clock_ms() + ms < t->deadline;
}

void transfer_heed (Transfer *t, const Exchange *x, int64_t ms) {
  bool asked = t->http_status == 503 && exchange_retry_after(x) > 0;
  if (!t->api || (t->http_status != 429 && !asked))
    return;
  if (ms > LONGEST_PAUSE_MS)
    ms = LONGEST_PAUSE_MS;
  pace_hush(&t->session->pace, clock_ms() + ms);
}

int64_t transfer_asked_ms (const Transfer *t, long asked) {
  int64_t ms = (int64_t)asked * 1000;
  bool capped = t->endless && t->deadline == CLOCK_NEVER;
  return capped && ms > ENDLESS_PAUSE_MS ? ENDLESS_PAUSE_MS : ms;
}

static int64_t pause_of (const Transfer *t, long asked) {
  int64_t ms = retry_backoff_ms(t->fruitless + 1);
  int64_t asked_ms = transfer_asked_ms(t, asked);
  return ms < asked_ms ? asked_ms : ms;
}

static bool has_hope (const Transfer *t, RetryKind kind) {
  return kind == RETRY_FREE || t->retries > 0 ||
         (kind == RETRY_AWAY && t->endless) || clock_ms() < t->patient_until;
}

int64_t transfer_pause (Transfer *t, RetryKind kind, long asked) {
  int64_t ms = pause_of(t, asked);
  if (t->fruitless <= 0)
    t->patient_until = clock_ms() + t->patience_ms;
  if (!has_hope(t, kind) || !transfer_may_wait(t, ms))
    return -1;
  if (t->retries > 0 && t->fruitless >= 0 && kind != RETRY_FREE)
    t->retries--;
  t->fruitless++;
  return ms;
}

void transfer_refresh (Transfer *t) {
  t->retries = t->budget;
  t->fruitless = -1;
}

bool transfer_try_again (Transfer *t, Exchange *x, RetryKind kind,
                         const char *reason) {
  int64_t ms = transfer_pause(t, kind, exchange_retry_after(x));
  Event event;
  if (ms < 0)
    return false;
  event = transfer_event(t, EVENT_RETRY);
  event.next_ms = ms;
  snprintf(event.reason, sizeof event.reason, "%s", reason);
  session_post(t->session, &event);
  transfer_start_in(t, ms);
  return true;
}

void transfer_retry (Transfer *t, Exchange *x, CURLcode code) {
  char reason[sizeof((Event *)0)->reason];
  transfer_reason(x, code, reason, sizeof reason);
  if (code == CURLE_OK)
    transfer_heed(t, x, pause_of(t, exchange_retry_after(x)));
  if (!transfer_try_again(t, x, RETRY_AWAY, reason))
    transfer_fail_exchange(t, x, code);
}

bool transfer_redirect (Transfer *t, Exchange *x) {
  char *target = NULL, *origin, *url;
  bool same;
  curl_easy_getinfo(x->easy, CURLINFO_REDIRECT_URL, &target);
  if (target == NULL || t->redirects >= REDIRECT_LIMIT ||
      t->signature.scope != NULL)
    return false;
  errno = EINVAL;
  origin = url_origin(target);
  same = origin != NULL && strcmp(origin, t->session->settings.origin) == 0;
  free(origin);
  url = same ? url_canonical(target) : NULL;
  if (url == NULL) {
    x->no_memory = same || (origin == NULL && errno == ENOMEM);
    return false;
  }
  free(t->url);
  t->url = url;
  t->redirects++;
  transfer_start_in(t, 0);
  return true;
}

void transfer_progress (Transfer *t, int64_t bytes, int64_t total, bool last) {
  int64_t now;
  Event event;
  if (!t->progress || (bytes == t->progress_bytes && !last))
    return;
  now = clock_ms();
  if (now < t->progress_at && !last)
    return;
  t->progress_at = now + PROGRESS_MS;
  t->progress_bytes = bytes;
  event = transfer_event(t, EVENT_PROGRESS);
  event.bytes = bytes;
  event.total = total;
  session_post(t->session, &event);
}

int transfer_reopen (Transfer *t) {
  if (session_begin(t->session) != 0)
    return -1;
  t->done = false;
  return 0;
}

int transfer_revive (Transfer *t, const char *url) {
  char *copy;
  if (!t->done || session_join(t->session, t, url) != 0)
    return -1;
  copy = url_canonical(url);
  if (copy == NULL || session_begin(t->session) != 0) {
    free(copy);
    return -1;
  }
  free(t->url);
  t->url = copy;
  t->done = false;
  t->failure.kind = FAILURE_NONE;
  transfer_start_in(t, 0);
  return 0;
}

static void expire (Transfer *t) {
  if (t->exchange != NULL)
    t->http_status = exchange_status(t->exchange);
  if (t->type->expire != NULL)
    t->type->expire(t, t->exchange);
  else
    transfer_fail(t, t->exchange, FAILURE_TIMEOUT, "the deadline passed");
}

/* A turn that falls into a pause which the service asked for is void.  A
** transfer that has waited in the queue had its turn before. */
static bool has_turn (Transfer *t, int64_t now) {
  Pace *pace = &t->session->pace;
  if (!t->api || (t->place.runs && now >= pace->quiet_until))
    return true;
  if (t->turn_at == 0 || t->turn_at < pace->quiet_until)
    t->turn_at = pace_take(pace, now);
  if (t->turn_at > now)
    return false;
  t->turn_at = 0;
  return true;
}

static void wait_for_turn (Transfer *t, int64_t now) {
  if (t->start_at <= now)
    t->start_at = t->turn_at;
  reschedule(t);
}

static void start (Transfer *t) {
  Exchange *x;
  CURLMcode code;
  t->start_at = CLOCK_NEVER;
  if (!host_queue_enter(&t->session->queues, t)) {
    reschedule(t); /* its turn will come; the deadline may come first */
    return;
  }
  x = session_exchange(t->session, t);
  t->attempts++;
  t->http_status = 0;
  if (x == NULL) {
    transfer_fail(t, NULL, FAILURE_MEMORY, "out of memory");
    return;
  }
  t->exchange = x;
  observe(t, x);
  if (t->type->prepare(t, x) != 0)
    return;
  code = session_start_exchange(t->session, x);
  if (code != CURLM_OK)
    transfer_fail(t, x, FAILURE_MEMORY, "%s", curl_multi_strerror(code));
  else
    reschedule(t);
}

/* A limit counts only once the sockets were asked after it had passed: while
** the process stood still, stopped or blocked, the reply may have come. */
static bool has_last_look (Transfer *t, int64_t now) {
  int64_t due = earlier(t->limit_at, t->deadline);
  if (t->exchange == NULL || now < due || t->looked_at == due)
    return false;
  t->looked_at = due;
  session_schedule(t->session, t, now + 1);
  return true;
}

void transfer_wake (Transfer *t, int64_t now) {
  if (has_last_look(t, now))
    return;
  if (now >= t->deadline)
    expire(t);
  else if (now >= t->limit_at)
    overrun(t);
  else if (now >= t->start_at && has_turn(t, now))
    start(t);
  else
    wait_for_turn(t, now);
}

/* libcurl has one code for a proxy of the environment that is none, and for one
** that cannot be reached. */
static bool is_no_proxy (const Exchange *x) {
  return strncmp(x->error, "Unsupported proxy scheme", 24) == 0 ||
         strncmp(x->error, "Unsupported proxy syntax", 24) == 0;
}

/* A proxy that refuses to connect will refuse again. */
static bool fail_proxy (Transfer *t, CURLcode code) {
  Exchange *x = t->exchange;
  long status = t->connection.proxy_status;
  if (code == CURLE_OK)
    return false;
  if (is_no_proxy(x)) {
    transfer_fail(t, x, FAILURE_PROXY, "the proxy is none");
    return true;
  }
  if (status >= 500)
    snprintf(x->error, sizeof x->error,
             "the proxy cannot reach the host (HTTP %ld)", status);
  if (status != 401 && status != 403 && status != 407)
    return false;
  transfer_fail(t, x, FAILURE_PROXY, "%s (HTTP %ld)",
                status == 403 ? "the proxy refuses the connection"
                              : "the proxy rejected the user name and password",
                status);
  return true;
}

/* libcurl reports bytes that are not HTTP like a redirect to another
** protocol. */
static bool is_no_http (const Transfer *t, CURLcode code) {
  return code == CURLE_UNSUPPORTED_PROTOCOL &&
         (t->http_status < 300 || t->http_status >= 400);
}

static int known_ms (CURL *easy, CURLINFO info) {
  curl_off_t us = 0;
  curl_easy_getinfo(easy, info, &us);
  return us > 0 ? (int)(us / 1000) : -1;
}

static bool is_of_tls (CURLcode code) {
  return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_SSL_CERTPROBLEM ||
         code == CURLE_PEER_FAILED_VERIFICATION ||
         code == CURLE_SSL_ISSUER_ERROR;
}

static void note_connection (Transfer *t, const Exchange *x, CURLcode code) {
  Connection *c = &t->connection;
  char *address = NULL;
  c->name_ms = known_ms(x->easy, CURLINFO_NAMELOOKUP_TIME_T);
  c->tcp_ms = known_ms(x->easy, CURLINFO_CONNECT_TIME_T);
  c->tls_ms = known_ms(x->easy, CURLINFO_APPCONNECT_TIME_T);
  curl_easy_getinfo(x->easy, CURLINFO_PRIMARY_IP, &address);
  snprintf(c->address, sizeof c->address, "%s", address != NULL ? address : "");
  memcpy(c->date, x->date, sizeof c->date);
  c->untrusted = is_of_tls(code);
  curl_easy_getinfo(x->easy, CURLINFO_HTTP_CONNECTCODE, &c->proxy_status);
}

void transfer_finish (Transfer *t, CURLcode code) {
  t->http_status = exchange_status(t->exchange);
  note_connection(t, t->exchange, code);
  if (is_no_http(t, code))
    code = CURLE_WEIRD_SERVER_REPLY;
  if (!fail_proxy(t, code))
    t->type->finish(t, t->exchange, code);
}

void transfer_orphan (Transfer *t) {
  if (t->type->stop != NULL)
    t->type->stop(t);
  if (!t->done)
    transfer_fail(t, t->exchange, FAILURE_CANCELLED, "the client was closed");
  host_queue_part(&t->session->queues, t);
  session_release(t->session, t);
}

void transfer_close (Transfer *t) {
  if (t == NULL)
    return;
  if (t->session != NULL)
    transfer_orphan(t);
  release(t);
}

uint64_t transfer_id (const Transfer *t) {
  return t->id;
}

const Failure *transfer_failure (const Transfer *t) {
  return &t->failure;
}

const char *transfer_url (const Transfer *t) {
  return t->url;
}

int transfer_attempts (const Transfer *t) {
  return t->attempts;
}

long transfer_status (const Transfer *t) {
  return t->exchange != NULL ? exchange_status(t->exchange) : t->http_status;
}

const Connection *transfer_connection (const Transfer *t) {
  return &t->connection;
}

const char *transfer_disposition (const Transfer *t) {
  return t->disposition;
}

/* A poll's reply may be read only when the next attempt runs already. */
const char *transfer_body (const Transfer *t, size_t *size) {
  bool has_reply = t->exchange == NULL || t->body.size > 0;
  const Buffer *body = has_reply ? &t->body : &t->exchange->body;
  *size = body->size;
  return body->data;
}
