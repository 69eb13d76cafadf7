/* The session: libcurl's multi handle, a poller, timers and an event queue. */

#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "clock.h"
#include "events.h"
#include "poller.h"
#include "session_private.h"
#include "url.h"

#define READY_BATCH 64
#define POOL_LIMIT 16 /* exchanges kept for reuse */

struct Session {
  CURLM *multi;
  CURLSH *share; /* of TLS sessions, so that connections resume them */
  Poller *poller;
  bool exported; /* the descriptor was handed out: keep its alarm set */
  pid_t owner;
  Timers timers;
  int64_t curl_at; /* when libcurl wants to be called */
  Events events;
  Transfer *transfers;
  uint64_t last_id;
  size_t active;
  Exchange *pool;
  int pooled;
  char *origin;
  struct curl_slist *headers; /* the key and the client's own, for 'origin' */
  char *user_agent, *proxy, *ca_file;
  int connect_timeout_ms, timeout_ms, stall_timeout_s;
  bool accept_invalid_certificates;
};

static int64_t next_due (const Session *s) {
  int64_t at = timers_next(&s->timers);
  return at < s->curl_at ? at : s->curl_at;
}

static void set_alarm (Session *s) {
  if (s->exported)
    poller_alarm(s->poller, s->events.count != 0 ? 1 : next_due(s));
}

/* libcurl's callbacks only take notes: calling libcurl from here would recurse
** without end. */
static int on_socket (CURL *easy, curl_socket_t fd, int what, void *arg,
                      void *known) {
  Session *s = arg;
  int events = 0;
  (void)easy;
  (void)known;
  if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
    events |= POLLER_IN;
  if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
    events |= POLLER_OUT;
  return poller_watch(s->poller, (int)fd, events);
}

static int on_timer (CURLM *multi, long ms, void *arg) {
  Session *s = arg;
  (void)multi;
  s->curl_at = ms < 0 ? CLOCK_NEVER : clock_ms() + ms;
  set_alarm(s);
  return 0;
}

static int copy (char **to, const char *from) {
  *to = from != NULL ? strdup(from) : NULL;
  return from != NULL && *to == NULL ? -1 : 0;
}

static int add_header (Session *s, const char *line) {
  struct curl_slist *longer = curl_slist_append(s->headers, line);
  if (longer == NULL)
    return -1;
  s->headers = longer;
  return 0;
}

static int copy_options (Session *s, const SessionOptions *o) {
  const char *const *line;
  if (copy(&s->user_agent, o->user_agent) != 0 ||
      copy(&s->proxy, o->proxy) != 0 || copy(&s->ca_file, o->ca_file) != 0)
    return -1;
  if (o->authorization != NULL && add_header(s, o->authorization) != 0)
    return -1;
  for (line = o->headers; line != NULL && *line != NULL; line++)
    if (add_header(s, *line) != 0)
      return -1;
  s->connect_timeout_ms = o->connect_timeout_ms;
  s->timeout_ms = o->timeout_ms;
  s->stall_timeout_s = o->stall_timeout_s;
  s->accept_invalid_certificates = o->accept_invalid_certificates;
  return 0;
}

static int open_handles (Session *s, int max_connections) {
  s->poller = poller_open();
  s->multi = curl_multi_init();
  s->share = curl_share_init();
  if (s->poller == NULL || s->multi == NULL || s->share == NULL)
    return -1;
  curl_share_setopt(s->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
  curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
  if (max_connections > 0) {
    /* for each host: with one limit for all of them, the service's connections
    ** and the stems' would close each other */
    curl_multi_setopt(s->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                      (long)max_connections);
    curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, 4L * max_connections);
  }
  return 0;
}

Session *session_open (const SessionOptions *options) {
  Session *s = calloc(1, sizeof *s);
  if (s == NULL)
    return NULL;
  s->owner = getpid();
  s->curl_at = CLOCK_NEVER;
  errno = EINVAL;
  s->origin = url_origin(options->base_url);
  if (s->origin == NULL)
    goto fail;
  errno = ENOMEM;
  if (copy_options(s, options) == 0 &&
      open_handles(s, options->max_connections) == 0)
    return s;
fail:
  session_close(s);
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
  if (s->owner == getpid())
    close_handles(s);
  timers_free(&s->timers);
  events_free(&s->events);
  curl_slist_free_all(s->headers);
  free(s->origin);
  free(s->user_agent);
  free(s->proxy);
  free(s->ca_file);
  free(s);
}

int session_fd (Session *s) {
  s->exported = true;
  set_alarm(s);
  return poller_fd(s->poller);
}

int session_timeout_ms (const Session *s) {
  int64_t at = next_due(s), wait;
  if (s->events.count != 0)
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

static void run_sockets (Session *s, int ms) {
  Ready ready[READY_BATCH];
  int i, running, n = poller_wait(s->poller, ms, ready, READY_BATCH);
  for (i = 0; i < n; i++) {
    int mask = 0;
    if (ready[i].events & POLLER_IN)
      mask |= CURL_CSELECT_IN;
    if (ready[i].events & POLLER_OUT)
      mask |= CURL_CSELECT_OUT;
    if (ready[i].events & POLLER_ERROR)
      mask |= CURL_CSELECT_ERR;
    curl_multi_socket_action(s->multi, ready[i].fd, mask, &running);
  }
}

static void run_curl_timer (Session *s) {
  int running;
  if (s->curl_at > clock_ms())
    return;
  s->curl_at = CLOCK_NEVER;
  curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

/* The message is dead once its handle is removed: its result is copied. */
static void run_messages (Session *s) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(s->multi, &left)) != NULL) {
    Exchange *x = NULL;
    CURLcode code = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&x);
    transfer_finish(x->owner, code);
  }
}

static void run_timers (Session *s) {
  int64_t now = clock_ms();
  Timer *timer;
  while ((timer = timers_due(&s->timers, now)) != NULL) {
    Transfer *t = (Transfer *)((char *)timer - offsetof(Transfer, timer));
    transfer_wake(t, now);
  }
}

int session_step (Session *s, int ms) {
  if (s->owner != getpid())
    return -1;
  run_sockets(s, shorter(ms, session_timeout_ms(s)));
  run_curl_timer(s);
  run_messages(s);
  run_timers(s);
  set_alarm(s);
  return 0;
}

bool session_next (Session *s, Event *event) {
  return events_pop(&s->events, event);
}

size_t session_active (const Session *s) {
  return s->active;
}

void session_adopt (Session *s, Transfer *t) {
  t->session = s;
  t->id = ++s->last_id;
  t->next = s->transfers;
  if (t->next != NULL)
    t->next->previous = t;
  s->transfers = t;
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
}

int session_schedule (Session *s, Transfer *t, int64_t at) {
  int status = 0;
  if (at == CLOCK_NEVER)
    timers_unset(&s->timers, &t->timer);
  else
    status = timers_set(&s->timers, &t->timer, at);
  set_alarm(s);
  return status;
}

void session_post (Session *s, const Event *event) {
  events_push(&s->events, event);
}

static void restrict_protocols (CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

static void apply_settings (const Session *s, CURL *easy) {
  restrict_protocols(easy);
  curl_easy_setopt(easy, CURLOPT_SHARE, s->share);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, s->user_agent);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   (long)s->connect_timeout_ms);
  if (s->proxy != NULL)
    curl_easy_setopt(easy, CURLOPT_PROXY, s->proxy);
  if (s->ca_file != NULL)
    curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca_file);
  if (s->accept_invalid_certificates) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
}

static int append_copies (struct curl_slist **list,
                          const struct curl_slist *more) {
  for (; more != NULL; more = more->next) {
    struct curl_slist *longer = curl_slist_append(*list, more->data);
    if (longer == NULL)
      return -1;
    *list = longer;
  }
  return 0;
}

/* Only a transfer to the key's own origin sees the session's headers. */
static int set_headers (Session *s, Transfer *t, Exchange *x) {
  if (t->api && t->headers == NULL) {
    x->headers = s->headers;
    x->shared_headers = true;
  } else if (append_copies(&x->headers, t->headers) != 0 ||
             (t->api && append_copies(&x->headers, s->headers) != 0)) {
    return -1;
  }
  curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
  return 0;
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
  apply_settings(s, x->easy);
  if (set_headers(s, t, x) == 0 &&
      curl_easy_setopt(x->easy, CURLOPT_URL, t->url) == CURLE_OK)
    return x;
  exchange_close(x);
  return NULL;
}

CURLMcode session_start_exchange (Session *s, Exchange *x) {
  return curl_multi_add_handle(s->multi, x->easy);
}

void session_end_exchange (Session *s, Exchange *x) {
  if (s->owner != getpid())
    return; /* see close_handles */
  curl_multi_remove_handle(s->multi, x->easy);
  if (s->pooled >= POOL_LIMIT) {
    exchange_close(x);
    return;
  }
  exchange_reset(x);
  x->next = s->pool;
  s->pool = x;
  s->pooled++;
}

const char *session_origin (const Session *s) {
  return s->origin;
}

void session_count (Session *s, int change) {
  s->active += (size_t)change;
}

void session_limit_stall (Session *s, Exchange *x) {
  curl_easy_setopt(x->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(x->easy, CURLOPT_LOW_SPEED_TIME, (long)s->stall_timeout_s);
}

int session_attempt_ms (const Session *s) {
  return s->timeout_ms;
}
