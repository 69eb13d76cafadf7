/* The sandbox as a whole: two HTTP listeners, a store of tasks, workers and a
** log, in threads of their own. */

#ifndef CAMB_SANDBOX_HTTP_SERVER_H
#define CAMB_SANDBOX_HTTP_SERVER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/http/failure.h"
#include "sandbox/faults/fault.h"
#include "sandbox/http/listener.h"
#include "sandbox/http/log.h"
#include "sandbox/http/operation.h"
#include "sandbox/http/slow_clients.h"
#include "sandbox/faults/player.h"
#include "sandbox/page/page.h"
#include "sandbox/store.h"
#include "sandbox/tasks/worker.h"

typedef struct ServerOptions {
  const char *host, *api_key, *base_path; /* base_path: "" or "/apis" */
  const char *data_dir, *public_url;      /* both may be NULL */
  const char *const *routes; /* name, method and path of each operation, then
                             ** NULL; paths may end in "{argument}" */
  int port, stem_port;       /* 0: any free one */
  CrewOptions crew;
  TlsOptions tls;
  int max_connections, idle_timeout;
  double url_lifetime; /* seconds */
  int64_t max_upload;  /* bytes of a whole request */
  int64_t max_field;   /* bytes of one form field's value */
  size_t max_headers, request_log;
  PageOptions page;
} ServerOptions;

typedef struct ServerStats {
  atomic_ullong connections[LISTENERS];
  atomic_ullong uploads;
  atomic_ullong requests[MOST_OPERATIONS];
} ServerStats;

/* What the request handlers may use; nothing in it changes while they run,
** except atomics and what is behind a function. */
typedef struct Server {
  char *api_key, *base_path;
  char **routes;                          /* as in the options */
  char *base_url, *stem_url, *public_url; /* the last: stem_url's if none */
  double url_lifetime;
  int64_t max_upload, max_field;
  Tls tls; /* empty if the listeners speak plain HTTP */
  Listener listeners[LISTENERS];
  Store *store;
  Crew *crew;
  Log *log;
  Faults *faults;
  Page *page;     /* NULL: none */
  Player *player; /* plays what faults put in place of replies */
  SlowClients *slow_clients;
  ServerStats stats;
  pid_t pid; /* the process whose threads these are */
  bool running;
} Server;

/* Start it all.  Strings are copied.  NULL and 'why' on failure. */
Server *server_start (const ServerOptions *o, Failure *why);

/* End all threads, close all descriptors, release the data folder.  What was
** logged and the tasks can still be read.  Idempotent; in a child of the
** process that started it nothing is touched.  Blocks for as long as the engine
** takes to notice. */
void server_stop (Server *s);

/* Stop and free.  NULL is fine. */
void server_free (Server *s);

#endif
