/* One listening port and the HTTP daemon behind it. */

#ifndef CAMB_SANDBOX_HTTP_LISTENER_H
#define CAMB_SANDBOX_HTTP_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/http/failure.h"
#include "sandbox/http/tls.h"

struct MHD_Daemon;
struct Server;

/* The two listeners of a server, each an origin of its own. */
typedef enum ListenerKind { API, STEM, LISTENERS } ListenerKind;

typedef struct Listener {
  struct Server *server;
  ListenerKind kind;
  struct MHD_Daemon *daemon; /* NULL when closed */
  char origin[320];          /* "http[s]://host:port", as a client writes it */
} Listener;

typedef struct ListenerOptions {
  const char *host;
  int port; /* 0: any free one */
  int max_connections, idle_timeout;
  const Tls *tls;     /* NULL: plain HTTP */
  size_t max_headers; /* memory for a request's headers, or a piece of body */
} ListenerOptions;

/* A socket that listens at 'host' and 'port'; -1 and 'why' on failure.  The
** caller closes it. */
int listener_bind (const char *host, int port_number, Failure *why);

/* Bind, listen and answer; 'server', 'kind' are set before.  False and 'why'
** on failure. */
bool listener_open (Listener *l, const ListenerOptions *o, Failure *why);

/* Cut the connections and end the thread.  Idempotent. */
void listener_close (Listener *l);

#endif
