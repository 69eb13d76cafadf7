/* The text that Prometheus fetches: Lua puts it here now and then, and a thread
** of libmicrohttpd's serves it. */

#include "sandbox/handles.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include <microhttpd.h>

#include "sandbox/http/listener.h"

#define METRICS_T "camb.metrics"
#define TYPE "text/plain; version=0.0.4; charset=utf-8"
#define MOST_CONNECTIONS 16
#define IDLE_SECONDS 10

typedef struct Metrics {
  struct MHD_Daemon *daemon; /* NULL: closed, or not open yet */
  pthread_mutex_t lock;
  struct MHD_Response *text; /* the latest; NULL before the first */
} Metrics;

static enum MHD_Result refuse (struct MHD_Connection *c, unsigned status) {
  struct MHD_Response *none =
    MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  enum MHD_Result result =
    none != NULL ? MHD_queue_response(c, status, none) : MHD_NO;
  if (none != NULL)
    MHD_destroy_response(none);
  return result;
}

static enum MHD_Result on_call (void *context, struct MHD_Connection *c,
                                const char *url, const char *method,
                                const char *version, const char *data,
                                size_t *size, void **request) {
  Metrics *m = context;
  enum MHD_Result result;
  (void)version, (void)data, (void)request;
  if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 || *size != 0)
    return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED);
  if (strcmp(url, "/metrics") != 0)
    return refuse(c, MHD_HTTP_NOT_FOUND);
  pthread_mutex_lock(&m->lock);
  result = m->text != NULL ? MHD_queue_response(c, MHD_HTTP_OK, m->text)
                           : refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE);
  pthread_mutex_unlock(&m->lock);
  return result;
}

static bool start (Metrics *m, const char *host, int port, Failure *why) {
  int fd = listener_bind(host, port, why);
  if (fd < 0)
    return false;
  m->daemon = MHD_start_daemon(
    MHD_USE_POLL_INTERNAL_THREAD, 0, NULL, NULL, on_call, m,
    MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, MOST_CONNECTIONS,
    MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_END);
  return m->daemon != NULL ||
         fail(why, "network", "cannot start a server on port %d of '%s'", port,
              host);
}

int l_metrics (lua_State *L) {
  const char *host = luaL_checkstring(L, 1);
  int port = (int)luaL_checkinteger(L, 2);
  Metrics *m = lua_newuserdatauv(L, sizeof *m, 0);
  Failure why;
  m->daemon = NULL;
  m->text = NULL;
  pthread_mutex_init(&m->lock, NULL);
  luaL_setmetatable(L, METRICS_T);
  if (start(m, host, port, &why))
    return 1;
  lua_pushnil(L);
  lua_pushstring(L, why.message);
  return 2;
}

static Metrics *checkmetrics (lua_State *L) {
  return luaL_checkudata(L, 1, METRICS_T);
}

static void set_text (Metrics *m, struct MHD_Response *text) {
  struct MHD_Response *old;
  pthread_mutex_lock(&m->lock);
  old = m->text;
  m->text = text;
  pthread_mutex_unlock(&m->lock);
  if (old != NULL)
    MHD_destroy_response(old);
}

/* put(text): serve this from now on */
static int l_put (lua_State *L) {
  Metrics *m = checkmetrics(L);
  size_t size;
  const char *text = luaL_checklstring(L, 2, &size);
  struct MHD_Response *response =
    MHD_create_response_from_buffer(size, (void *)text, MHD_RESPMEM_MUST_COPY);
  if (response == NULL)
    return luaL_error(L, "not enough memory");
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, TYPE);
  set_text(m, response);
  return 0;
}

/* port() -> the one that it listens on */
static int l_port (lua_State *L) {
  Metrics *m = checkmetrics(L);
  const union MHD_DaemonInfo *info =
    m->daemon != NULL
      ? MHD_get_daemon_info(m->daemon, MHD_DAEMON_INFO_BIND_PORT)
      : NULL;
  lua_pushinteger(L, info != NULL ? info->port : 0);
  return 1;
}

static int l_close (lua_State *L) {
  Metrics *m = checkmetrics(L);
  if (m->daemon != NULL)
    MHD_stop_daemon(m->daemon);
  m->daemon = NULL;
  set_text(m, NULL);
  return 0;
}

static const luaL_Reg methods[] = {
  {"put", l_put}, {"port", l_port}, {"close", l_close}, {NULL, NULL}};

void metrics_register (lua_State *L) {
  luaL_newmetatable(L, METRICS_T);
  lua_pushcfunction(L, l_close);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
