/* Starting and stopping the whole. */

#include "sandbox/http/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/command.h"

static char *concat (const char *a, const char *b) {
  size_t size = strlen(a) + strlen(b) + 1;
  char *out = malloc(size);
  if (out != NULL)
    snprintf(out, size, "%s%s", a, b);
  return out;
}

/* The program's signals are its own: none is handled in our threads, which
** also keeps a sendfile to a closed connection from raising SIGPIPE. */
static void block_signals (sigset_t *before) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, before);
}

static bool open_listener (Server *s, ListenerKind kind, const char *host,
                           int port, const ServerOptions *o, Failure *why) {
  ListenerOptions options = {host,
                             port,
                             o->max_connections,
                             o->idle_timeout,
                             o->tls.on ? &s->tls : NULL,
                             o->max_headers};
  s->listeners[kind].server = s;
  s->listeners[kind].kind = kind;
  return listener_open(&s->listeners[kind], &options, why);
}

static bool open_stem_listener (Server *s, const ServerOptions *o,
                                Failure *why) {
  if (!open_listener(s, STEM, o->host, o->stem_port, o, why))
    return false;
  s->stem_url = strdup(s->listeners[STEM].origin);
  s->public_url =
    strdup(o->public_url ? o->public_url : s->listeners[STEM].origin);
  return (s->stem_url != NULL && s->public_url != NULL) ||
         fail(why, "network", "not enough memory");
}

/* The API starts last: until then no URL of a stem can exist. */
static bool open_listeners (Server *s, const ServerOptions *o, Failure *why) {
  if (!o->page.is_alone && !open_stem_listener(s, o, why))
    return false;
  if (!open_listener(s, API, o->host, o->port, o, why))
    return false;
  s->base_url = concat(s->listeners[API].origin, s->base_path);
  return s->base_url != NULL || fail(why, "network", "not enough memory");
}

static bool start_workers (Server *s, const ServerOptions *o, Failure *why) {
  Task *next, *t;
  s->crew = crew_start(s->store, &o->crew);
  if (s->crew == NULL)
    return fail(why, "file", "cannot start %d worker threads", o->crew.workers);
  for (t = store_pending(s->store); t != NULL; t = next) {
    next = t->next;
    crew_add(s->crew, t);
  }
  return true;
}

static bool copy_options (Server *s, const ServerOptions *o, Failure *why) {
  s->url_lifetime = o->url_lifetime;
  s->max_upload = o->max_upload;
  s->max_field = o->max_field;
  s->api_key = strdup(o->api_key);
  s->base_path = strdup(o->base_path);
  s->routes = command_copy(o->routes);
  s->log = log_new(o->request_log);
  if (s->api_key != NULL && s->base_path != NULL && s->routes != NULL &&
      s->log != NULL)
    return true;
  return fail(why, "file", "not enough memory");
}

static bool make_certificate (Server *s, const ServerOptions *o, Failure *why) {
  TlsOptions tls = o->tls;
  tls.address = o->host;
  return !tls.on || tls_make(&s->tls, store_folder(s->store), &tls, why);
}

static bool start_threads (Server *s, const ServerOptions *o, Failure *why) {
  s->faults = faults_new();
  s->player = player_start();
  s->slow_clients = slow_clients_start(o->idle_timeout);
  return (s->faults != NULL && s->player != NULL && s->slow_clients != NULL) ||
         fail(why, "file", "cannot start a thread");
}

/* What only an API needs, and not a page alone. */
static bool start_tasks (Server *s, const ServerOptions *o, Failure *why) {
  s->store = store_open(o->data_dir, why);
  return s->store != NULL && start_workers(s, o, why) &&
         make_certificate(s, o, why);
}

/* Without a named folder, dropped files arrive among the uploads; the next
** start removes those that are left. */
static bool start_page (Server *s, const ServerOptions *o, Failure *why) {
  char *folder = NULL;
  if (o->page.html == NULL)
    return true;
  folder = o->page.folder != NULL ? strdup(o->page.folder)
                                  : store_upload_folder(s->store);
  if (folder != NULL)
    s->page = page_start(&o->page, folder);
  free(folder);
  return s->page != NULL || fail(why, "file", "cannot start the page");
}

static bool start (Server *s, const ServerOptions *o, Failure *why) {
  return copy_options(s, o, why) &&
         (o->page.is_alone || start_tasks(s, o, why)) &&
         start_threads(s, o, why) && start_page(s, o, why) &&
         open_listeners(s, o, why);
}

Server *server_start (const ServerOptions *o, Failure *why) {
  Server *s = calloc(1, sizeof *s);
  sigset_t before;
  bool ok;
  if (s == NULL) {
    fail(why, "file", "not enough memory");
    return NULL;
  }
  s->pid = getpid();
  s->running = true;
  block_signals(&before);
  ok = start(s, o, why);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (ok)
    return s;
  server_free(s);
  return NULL;
}

void server_stop (Server *s) {
  if (!s->running || s->pid != getpid())
    return;
  s->running = false;
  player_stop(
    s->player); /* a daemon does not stop with suspended connections */
  page_stop(s->page);
  listener_close(&s->listeners[API]);
  listener_close(&s->listeners[STEM]);
  slow_clients_free(s->slow_clients);
  s->slow_clients = NULL;
  crew_stop(s->crew);
  s->crew = NULL;
  if (s->store != NULL)
    store_close(s->store);
}

/* In a forked child the threads are gone and what they held may be half
** done: it is left as it is. */
void server_free (Server *s) {
  if (s == NULL || s->pid != getpid())
    return;
  server_stop(s);
  player_free(s->player);
  page_free(s->page);
  faults_free(s->faults);
  store_free(s->store);
  log_free(s->log);
  tls_clear(&s->tls);
  free(s->api_key);
  free(s->base_path);
  free(s->routes);
  free(s->base_url);
  free(s->stem_url);
  free(s->public_url);
  free(s);
}
