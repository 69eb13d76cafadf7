/* Sockets, and the HTTP daemons that serve them. */

#include "sandbox/http/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "sandbox/http/slow_clients.h"
#include "sandbox/http/request.h"

static int open_socket (const struct addrinfo *address) {
  int one = 1, why;
  int fd =
    socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return -1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
      bind(fd, address->ai_addr, address->ai_addrlen) == 0 &&
      listen(fd, SOMAXCONN) == 0)
    return fd;
  why = errno;
  close(fd);
  errno = why;
  return -1;
}

int listener_bind (const char *host, int port_number, Failure *why) {
  struct addrinfo *list, hints = {.ai_socktype = SOCK_STREAM,
                                  .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
  char port[16];
  int result, fd = -1;
  snprintf(port, sizeof port, "%d", port_number);
  result = getaddrinfo(host, port, &hints, &list);
  if (result != 0) {
    fail(why, "network", "cannot find the host '%s': %s", host,
         gai_strerror(result));
    return -1;
  }
  for (const struct addrinfo *a = list; fd < 0 && a != NULL; a = a->ai_next)
    fd = open_socket(a);
  if (fd < 0)
    fail(why, "network", "cannot listen on port %d of '%s': %s", port_number,
         host, strerror(errno));
  freeaddrinfo(list);
  return fd;
}

/* Clients cannot connect to a wildcard address. */
static const char *reachable (const char *host) {
  if (strcmp(host, "0.0.0.0") == 0)
    return "127.0.0.1";
  return strcmp(host, "::") == 0 ? "::1" : host;
}

static int port_of (int fd) {
  struct sockaddr_storage address;
  socklen_t length = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
    return -1;
  if (address.ss_family == AF_INET6)
    return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
  return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static void name_origin (Listener *l, int fd, const ListenerOptions *o) {
  const char *name = reachable(o->host);
  const char *scheme = o->tls != NULL ? "https" : "http";
  const char *format =
    strchr(name, ':') != NULL ? "%s://[%s]:%d" : "%s://%s:%d";
  snprintf(l->origin, sizeof l->origin, format, scheme, name, port_of(fd));
}

static void on_connection (void *context, struct MHD_Connection *connection,
                           void **socket_context,
                           enum MHD_ConnectionNotificationCode what) {
  Listener *l = context;
  SlowClients *slow_clients = l->server->slow_clients;
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    int fd =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
        ->connect_fd;
    atomic_fetch_add(&l->server->stats.connections[l->kind], 1);
    *socket_context = slow_clients_watch(slow_clients, fd);
  } else {
    slow_clients_forget(slow_clients, *socket_context);
    *socket_context = NULL;
  }
}

/* The daemon owns the socket from here on, also when it does not start.  Its
** memory per connection holds headers and the part of a body that is read at
** once.  It polls: with epoll, edge-triggered, libmicrohttpd 0.9.75 overlooks
** an end that came together with the last bytes, and a broken upload would
** linger until it times out. */
static struct MHD_Daemon *start_daemon (Listener *l, const ListenerOptions *o,
                                        int fd) {
  const intptr_t memory = (intptr_t)o->max_headers;
  const Tls none = {0}, *tls = o->tls != NULL ? o->tls : &none;
  struct MHD_OptionItem options[] = {
    {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
    {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)request_on_line, l},
    {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)request_on_end, l},
    {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, l},
    {MHD_OPTION_CONNECTION_LIMIT, o->max_connections, NULL},
    {MHD_OPTION_CONNECTION_TIMEOUT, o->idle_timeout, NULL},
    {MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory, NULL},
    {MHD_OPTION_CONNECTION_MEMORY_INCREMENT, memory / 8, NULL},
    {MHD_OPTION_END, 0, NULL},
  };
  struct MHD_OptionItem secrets[] = {
    {MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key},
    {MHD_OPTION_HTTPS_MEM_CERT, 0, tls->certificate},
    {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)tls->priorities},
    {MHD_OPTION_END, 0, NULL},
  };
  unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
  if (o->tls != NULL)
    flags |= MHD_USE_TLS;
  return MHD_start_daemon(
    flags, 0, NULL, NULL, request_on_call, l, MHD_OPTION_ARRAY, options,
    MHD_OPTION_ARRAY, o->tls != NULL ? secrets : &secrets[3], MHD_OPTION_END);
}

bool listener_open (Listener *l, const ListenerOptions *o, Failure *why) {
  int fd = listener_bind(o->host, o->port, why);
  if (fd < 0)
    return false;
  name_origin(l, fd, o);
  l->daemon = start_daemon(l, o, fd);
  if (l->daemon == NULL)
    return fail(why, "network", "cannot start the server on port %d of '%s'",
                o->port, o->host);
  return true;
}

void listener_close (Listener *l) {
  if (l->daemon != NULL)
    MHD_stop_daemon(l->daemon);
  l->daemon = NULL;
}
