/* The session: libcurl's multi handle, a poller, timers and an event queue. */

#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "inherit.h"
#include "transfer_private.h"
#include "url.h"

#define MOST_CONNECTIONS 65535 /* a host has no more ports */
#define POOL_LIMIT 16          /* exchanges kept for reuse */

static Event *event_at (const Events *q, size_t index) {
  return &q->ring[(q->first + index) % q->capacity];
}

/* Room for so many more; -1 when there is no memory. */
static int events_reserve (Events *q, size_t room) {
  size_t i, capacity = q->capacity != 0 ? q->capacity : 16;
  Event *ring;
  if (q->count + room <= q->capacity)
    return 0;
  while (capacity < q->count + room)
    capacity *= 2;
  ring = malloc(capacity * sizeof *ring);
  if (ring == NULL)
    return -1;
  for (i = 0; i < q->count; i++)
    ring[i] = *event_at(q, i);
  free(q->ring);
  q->ring = ring;
  q->first = 0;
  q->capacity = capacity;
  return 0;
}

static void events_push (Events *q, const Event *event) {
  q->count++;
  *event_at(q, q->count - 1) = *event;
}

static bool events_pop (Events *q, Event *event) {
  if (q->count == 0)
    return false;
  *event = *event_at(q, 0);
  q->first = (q->first + 1) % q->capacity;
  q->count--;
  return true;
}

static void events_drop (Events *q, uint64_t id) {
  size_t i, kept = 0;
  for (i = 0; i < q->count; i++)
    if (event_at(q, i)->id != id)
      *event_at(q, kept++) = *event_at(q, i);
  q->count = kept;
}

static void events_free (Events *q) {
  free(q->ring);
  q->ring = NULL;
  q->first = q->count = q->capacity = 0;
}

bool session_is_own (const Session *s) {
  return s->owner == getpid();
}

/* Work is left that nothing else will announce. */
static bool has_rest (const Session *s) {
  return s->events.count != 0 || s->paused != NULL ||
         s->ready.at < s->ready.count;
}

static int64_t next_due (const Session *s) {
  int64_t at = timers_next(&s->timers);
  return at < s->curl_at ? at : s->curl_at;
}

/* At a step's end, if one runs.  A child of fork shares its parent's alarm. */
static void set_alarm (Session *s) {
  if (s->exported && !s->steps && session_is_own(s))
    poller_alarm(s->poller, has_rest(s) ? 1 : next_due(s));
}

/* libcurl's callbacks only take notes: calling libcurl from here would recurse
** without end. */
static int on_socket (CURL *easy, curl_socket_t fd, int what, void *arg,
                      void *unused) {
  Session *s = arg;
  int events = 0;
  (void)easy;
  (void)unused;
  if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
    events |= POLLER_IN;
  if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
    events |= POLLER_OUT;
  inherit_not((int)fd); /* the resolver's */
  if (watches_set(&s->watches, (int)fd, events) != 0)
    return -1;
  return s->steps ? 0 : watches_apply(&s->watches);
}

static curl_socket_t on_open (void *arg, curlsocktype purpose,
                              struct curl_sockaddr *address) {
  Session *s = arg;
  int fd =
    inherit_socket(address->family, address->socktype, address->protocol);
  (void)purpose;
  if (fd < 0)
    return CURL_SOCKET_BAD;
  watches_begin(&s->watches, fd);
  return fd;
}

/* The number may stand for another socket soon. */
static void forget_ready (ReadySockets *ready, int fd) {
  for (int i = ready->at; i < ready->count; i++)
    if (ready->all[i].fd == fd)
      ready->all[i--] = ready->all[--ready->count];
}

static int on_close (void *arg, curl_socket_t fd) {
  Session *s = arg;
  forget_ready(&s->ready, (int)fd);
  watches_end(&s->watches, (int)fd);
  return inherit_close((int)fd);
}

static int on_timer (CURLM *multi, long ms, void *arg) {
  Session *s = arg;
  (void)multi;
  s->curl_at = ms < 0 ? CLOCK_NEVER : clock_ms() + ms;
  set_alarm(s);
  return 0;
}

static int open_multi (Session *s) {
  long max_connections = s->queues.limit;
  int wakeup = inherit_next();
  s->multi = curl_multi_init();
  if (s->multi == NULL)
    return -1;
  if (wakeup >= 0)
    inherit_not(wakeup);
  curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
  curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
  if (max_connections > 0) {
    /* for each host: with one limit for all of them, the service's connections
    ** and the stems' would close each other */
    curl_multi_setopt(s->multi, CURLMOPT_MAX_HOST_CONNECTIONS, max_connections);
    curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, 4L * max_connections);
  }
  return 0;
}

/* libkqueue's threads, which open descriptors too, begin after inherit_next. */
static int open_handles (Session *s) {
  s->share = curl_share_init();
  if (s->share == NULL || open_multi(s) != 0)
    return -1;
  s->poller = poller_open();
  if (s->poller == NULL)
    return -1;
  watches_open(&s->watches, s->poller);
  curl_share_setopt(s->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  return 0;
}

Session *session_open (const SessionOptions *options) {
  Session *s = calloc(1, sizeof *s);
  int reason;
  if (s == NULL)
    return NULL;
  s->owner = getpid();
  s->curl_at = CLOCK_NEVER;
  pace_set(&s->pace, options->requests_per_second);
  s->queues.limit = options->max_connections < MOST_CONNECTIONS
                      ? options->max_connections
                      : MOST_CONNECTIONS;
  if (settings_copy(&s->settings, options) == 0) {
    errno = ENOMEM;
    if (open_handles(s) == 0)
      return s;
  }
  reason = errno;
  session_close(s);
  errno = reason;
  return NULL;
}

/* In a child of fork the sockets, the epoll set and TLS state are shared with
** the parent: saying goodbye on them would be the child speaking in the
** parent's name. */
static void close_handles (Session *s) {
  while (s->pool != NULL) {
    Exchange *x = s->pool;
    s->pool = x->next;
    exchange_close(x);
  }
  curl_multi_cleanup(s->multi);
  curl_share_cleanup(s->share);
  poller_close(s->poller); /* last: on_socket is called until here */
}

void session_close (Session *s) {
  if (s == NULL)
    return;
  while (s->transfers != NULL)
    transfer_orphan(s->transfers);
  worker_close(s->worker);
  if (session_is_own(s))
    close_handles(s);
  else
    poller_close(s->poller); /* our copies only: the parent's still work */
  watches_free(&s->watches);
  timers_free(&s->timers);
  events_free(&s->events);
  settings_free(&s->settings);
  free(s);
}

int session_fd (const Session *s) {
  return poller_fd(s->poller);
}

int session_pollfd (Session *s) {
  s->exported = true;
  set_alarm(s);
  return poller_fd(s->poller);
}

int session_timeout_ms (const Session *s) {
  int64_t at = next_due(s), wait;
  if (has_rest(s))
    return 0;
  if (at == CLOCK_NEVER)
    return -1;
  wait = at - clock_ms();
  if (wait < 0)
    return 0;
  return wait < INT32_MAX ? (int)wait : INT32_MAX;
}

static int shorter (int a, int b) {
  if (a < 0)
    return b;
  return b < 0 || a < b ? a : b;
}

static void act (Session *s, curl_socket_t fd, int mask) {
  int running;
  CURLMcode code;
  s->acts++;
  code = curl_multi_socket_action(s->multi, fd, mask, &running);
  if (code == CURLM_OUT_OF_MEMORY || code == CURLM_INTERNAL_ERROR)
    s->broken = true;
}

long session_buffer (const Session *s) {
  return s->budget_us < 10000 ? 128L << 10 : 512L << 10;
}

bool session_is_late (const Session *s) {
  return clock_us() >= s->ends_us;
}

static void find_ready (Session *s, int ms) {
  ReadySockets *ready = &s->ready;
  if (ready->at < ready->count)
    return;
  ready->at = 0;
  ready->count = watches_wait(&s->watches, ms, ready->all, READY_BATCH);
}

static void run_socket (Session *s, Ready ready) {
  int mask = 0;
  if (ready.events & POLLER_IN)
    mask |= CURL_CSELECT_IN;
  if (ready.events & POLLER_OUT)
    mask |= CURL_CSELECT_OUT;
  if (ready.events & POLLER_ERROR)
    mask |= CURL_CSELECT_ERR;
  act(s, ready.fd, mask);
}

/* What is left over comes first in the next step, so that everyone has a turn.
** Here and below something is done at least, however small the budget is. */
static void run_sockets (Session *s) {
  ReadySockets *ready = &s->ready;
  bool first = true;
  while (ready->at < ready->count && (first || !session_is_late(s))) {
    Ready one = ready->all[ready->at++];
    first = false;
    if (s->worker == NULL || one.fd != worker_fd(s->worker))
      run_socket(s, one);
  }
}

void session_pause (Session *s, Transfer *t) {
  Transfer **at = &s->paused;
  if (t->is_paused)
    return;
  while (*at != NULL)
    at = &(*at)->next_paused;
  *at = t;
  t->next_paused = NULL;
  t->is_paused = true;
}

void session_unpause (Session *s, Transfer *t) {
  Transfer **at = &s->paused;
  if (!t->is_paused)
    return;
  while (*at != t)
    at = &(*at)->next_paused;
  *at = t->next_paused;
  t->is_paused = false;
}

/* libcurl brings what it has kept from within, and says only here what comes of
** it.  Who is paused again has its turn after the others. */
static void run_paused (Session *s) {
  const Transfer *last = s->paused;
  bool first = true, more = last != NULL;
  while (last != NULL && last->next_paused != NULL)
    last = last->next_paused;
  while (more && (first || !session_is_late(s))) {
    Transfer *t = s->paused;
    CURLcode code;
    more = t != last;
    first = false;
    session_unpause(s, t);
    s->acts++;
    code = curl_easy_pause(t->exchange->easy, CURLPAUSE_CONT);
    if (code != CURLE_OK)
      transfer_finish(t, code);
  }
}

static void run_works (Session *s) {
  Work *work;
  while (s->worker != NULL && (work = worker_next(s->worker)) != NULL)
    work->done(work);
}

static void run_curl_timer (Session *s) {
  if (s->curl_at > clock_ms())
    return;
  s->curl_at = CLOCK_NEVER;
  act(s, CURL_SOCKET_TIMEOUT, 0);
}

/* The message is dead once its handle is removed: its result is copied. */
static void run_messages (Session *s) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(s->multi, &left)) != NULL) {
    Exchange *x = NULL;
    CURLcode code = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&x);
    if (code == CURLE_OUT_OF_MEMORY)
      s->doubtful = true;
    transfer_finish(x->owner, code);
  }
}

/* Out of memory, libcurl may keep a connection that was never made, for which
** later transfers wait forever, or an empty table by whose size it divides.  So
** its handle is replaced once nothing runs, and until then no connection and no
** easy handle is reused. */
static void renew (Session *s) {
  if (!s->doubtful || s->running != 0)
    return;
  s->doubtful = false;
  curl_multi_cleanup(s->multi);
  s->multi = NULL;
  s->curl_at = CLOCK_NEVER;
}

/* After a step that libcurl could not make, its handles are in an unknown state:
** every running transfer fails. */
static void run_breakdown (Session *s) {
  Transfer *t, *next;
  if (!s->broken)
    return;
  s->broken = false;
  s->doubtful = true;
  for (t = s->transfers; t != NULL; t = next) {
    next = t->next;
    if (t->exchange != NULL)
      transfer_finish(t, CURLE_OUT_OF_MEMORY);
  }
}

static void run_curl (Session *s) {
  run_curl_timer(s);
  run_messages(s);
  run_breakdown(s);
  renew(s);
}

static void run_timers (Session *s) {
  int64_t now = clock_ms();
  Timer *timer;
  bool first = true;
  while ((first || !session_is_late(s)) &&
         (timer = timers_due(&s->timers, now)) != NULL) {
    Transfer *t = (Transfer *)((char *)timer - offsetof(Transfer, timer));
    first = false;
    transfer_wake(t, now);
  }
}

int session_step (Session *s, int ms, int budget_us) {
  if (!session_is_own(s))
    return -1;
  s->steps = true;
  find_ready(s, shorter(ms, session_timeout_ms(s)));
  s->budget_us = budget_us;
  s->ends_us = clock_us() + budget_us;
  run_works(s);
  run_paused(s);
  run_sockets(s);
  run_curl(s);
  run_timers(s);
  run_curl(s); /* what has begun is sent at once */
  s->steps = false;
  if (watches_apply(&s->watches) != 0)
    s->broken = true;
  run_breakdown(s);
  set_alarm(s);
  return 0;
}

bool session_next (Session *s, Event *event) {
  return events_pop(&s->events, event);
}

size_t session_active (const Session *s) {
  return s->active;
}

/* Room for a transfer's timer is made here, and for the event of its end in
** session_begin: a transfer that has begun always ends, and its end is always
** reported. */
int session_adopt (Session *s, Transfer *t) {
  if (timers_reserve(&s->timers, s->adopted + 1) != 0)
    return -1;
  s->adopted++;
  t->session = s;
  t->id = ++s->last_id;
  t->next = s->transfers;
  if (t->next != NULL)
    t->next->previous = t;
  s->transfers = t;
  return 0;
}

void session_release (Session *s, Transfer *t) {
  timers_unset(&s->timers, &t->timer);
  events_drop(&s->events, t->id);
  if (t->previous != NULL)
    t->previous->next = t->next;
  else
    s->transfers = t->next;
  if (t->next != NULL)
    t->next->previous = t->previous;
  t->previous = t->next = NULL;
  t->session = NULL;
  s->adopted--;
}

int session_join (Session *s, Transfer *t, const char *url) {
  const char *known = settings_origin_of(&s->settings, url);
  char *origin = NULL;
  int status = 0;
  if (known == NULL) {
    if (url_problem(url) != NULL)
      return errno;
    origin = url_origin(url);
    if (origin == NULL)
      return errno;
    if (t->api && strcmp(origin, s->settings.origin) != 0)
      status = EACCES;
    known = origin;
  }
  if (status == 0 && host_queue_join(&s->queues, t, known) != 0)
    status = ENOMEM;
  free(origin);
  return status;
}

void session_schedule (Session *s, Transfer *t, int64_t at) {
  if (at == CLOCK_NEVER)
    timers_unset(&s->timers, &t->timer);
  else
    timers_set(&s->timers, &t->timer, at);
  set_alarm(s);
}

int session_post (Session *s, const Event *event) {
  if (event->type != EVENT_DONE &&
      events_reserve(&s->events, s->active + 1) != 0)
    return -1;
  events_push(&s->events, event);
  return 0;
}

static bool sign (const Signature *by, CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075700
  return by->scope == NULL ||
         (curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, by->scope) == CURLE_OK &&
          curl_easy_setopt(easy, CURLOPT_USERNAME, by->user) == CURLE_OK &&
          curl_easy_setopt(easy, CURLOPT_PASSWORD, by->secret) == CURLE_OK);
#else
  (void)easy;
  return by->scope == NULL;
#endif
}

Exchange *session_exchange (Session *s, Transfer *t) {
  Exchange *x = s->pool;
  if (x != NULL) {
    s->pool = x->next;
    s->pooled--;
  } else {
    x = exchange_open();
    if (x == NULL)
      return NULL;
  }
  x->owner = t;
  x->next = NULL;
  curl_easy_setopt(x->easy, CURLOPT_SHARE, s->share);
  curl_easy_setopt(x->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
  curl_easy_setopt(x->easy, CURLOPT_OPENSOCKETDATA, s);
  curl_easy_setopt(x->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
  curl_easy_setopt(x->easy, CURLOPT_CLOSESOCKETDATA, s);
  if (settings_apply(&s->settings, x->easy) == 0 &&
      settings_set_headers(&s->settings, x, t->headers, t->api) == 0 &&
      sign(&t->signature, x->easy) &&
      curl_easy_setopt(x->easy, CURLOPT_URL, t->url) == CURLE_OK)
    return x;
  exchange_close(x);
  return NULL;
}

CURLMcode session_start_exchange (Session *s, Exchange *x) {
  CURLMcode code = CURLM_OUT_OF_MEMORY;
  if (s->doubtful)
    curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 1L);
  if (s->multi != NULL || open_multi(s) == 0)
    code = curl_multi_add_handle(s->multi, x->easy);
  x->runs = code == CURLM_OK;
  s->running += x->runs;
  if (code == CURLM_OUT_OF_MEMORY)
    s->doubtful = true;
  return code;
}

void session_end_exchange (Session *s, Exchange *x) {
  if (!s->steps && !session_is_own(s))
    return; /* see close_handles */
  if (x->runs) {
    curl_multi_remove_handle(s->multi, x->easy);
    s->running--;
    x->runs = false;
  }
  if (s->doubtful || s->pooled >= POOL_LIMIT) {
    exchange_close(x);
    return;
  }
  exchange_reset(x);
  x->next = s->pool;
  s->pool = x;
  s->pooled++;
}

void session_limit_rate (Session *s, double rate) {
  pace_set(&s->pace, rate);
}

/* Where the system has no thread to give, the step waits. */
static bool has_worker (Session *s) {
  if (s->worker != NULL)
    return true;
  s->worker = worker_open();
  if (s->worker == NULL)
    return false;
  watches_end(&s->watches, worker_fd(s->worker)); /* a socket had its number */
  if (poller_watch(s->poller, worker_fd(s->worker), POLLER_IN, true) == 0)
    return true;
  worker_close(s->worker);
  s->worker = NULL;
  return false;
}

void session_work (Session *s, Work *work) {
  if (has_worker(s)) {
    worker_begin(s->worker, work);
    return;
  }
  work->run(work);
  work->done(work);
}

void session_cancel_work (Session *s, Work *work) {
  if (session_is_own(s) && s->worker != NULL)
    worker_cancel(s->worker, work);
}

int session_begin (Session *s) {
  if (events_reserve(&s->events, s->active + 1) != 0)
    return -1;
  s->active++;
  return 0;
}
