/* Sessions as Lua sees them: open transfers, step, take events. */

#include "binding/handles.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <string.h>

#include "binding/fields.h"
#include "core/timers.h"
#include "core/download.h"
#include "core/request.h"
#include "core/session.h"
#include "core/upload.h"

typedef struct SessionBox {
  Session *session; /* NULL once closed */
} SessionBox;

static Session *checksession (lua_State *L, int index) {
  SessionBox *box = luaL_checkudata(L, index, SESSION_T);
  luaL_argcheck(L, box->session != NULL, index, "session is closed");
  return box->session;
}

/* Seconds to the int that poll and epoll take; nil is "no limit". */
static int optms (lua_State *L, int index) {
  lua_Number seconds;
  if (lua_isnoneornil(L, index))
    return -1;
  seconds = luaL_checknumber(L, index);
  if (!(seconds > 0))
    return 0;
  return seconds < INT_MAX / 1000 ? (int)ceil(seconds * 1000) : -1;
}

static int at_most (int64_t n) {
  return n < INT_MAX ? (int)n : INT_MAX;
}

int l_session (lua_State *L) {
  SessionOptions o;
  SessionBox *box;
  luaL_checktype(L, 1, LUA_TTABLE);
  memset(&o, 0, sizeof o);
  o.base_url = field_string(L, 1, "base_url");
  luaL_argcheck(L, o.base_url != NULL, 1, "base_url is missing");
  o.authorization = field_string(L, 1, "authorization");
  o.headers = field_strings(L, 1, "headers");
  o.user_agent = field_string(L, 1, "user_agent");
  o.proxy = field_string(L, 1, "proxy");
  o.ca_file = field_string(L, 1, "ca_file");
  o.max_connections = at_most(field_integer(L, 1, "max_connections", 0));
  o.requests_per_second = field_number(L, 1, "requests_per_second", 0);
  o.connect_timeout_ms = at_most(field_ms(L, 1, "connect_timeout", 10000));
  o.timeout_ms = at_most(field_ms(L, 1, "timeout", 30000));
  o.stall_timeout_s = at_most(field_integer(L, 1, "stall_timeout", 60));
  o.reply_timeout_ms = at_most(field_ms(L, 1, "reply_timeout", 300000));
  o.accept_invalid_certificates =
    field_boolean(L, 1, "accept_invalid_certificates");
  box = lua_newuserdatauv(L, sizeof *box, 0);
  box->session = NULL;
  luaL_setmetatable(L, SESSION_T);
  box->session = session_open(&o);
  return box->session != NULL ? 1 : pushfailure(L, errno);
}

static TransferOptions transferoptions (lua_State *L) {
  TransferOptions o;
  luaL_checktype(L, 2, LUA_TTABLE);
  memset(&o, 0, sizeof o);
  o.url = field_string(L, 2, "url");
  luaL_argcheck(L, o.url != NULL, 2, "url is missing");
  o.headers = field_strings(L, 2, "headers");
  o.deadline = field_ms(L, 2, "deadline", CLOCK_NEVER);
  o.retries = at_most(field_integer(L, 2, "retries", 0));
  o.patience_ms = field_ms(L, 2, "patience", 0);
  o.endless = field_boolean(L, 2, "endless");
  o.progress = field_boolean(L, 2, "progress");
  o.signature.scope = field_string(L, 2, "sigv4");
  o.signature.user = field_string(L, 2, "user");
  o.signature.secret = field_string(L, 2, "secret");
  luaL_argcheck(L,
                o.signature.scope == NULL ||
                  (o.signature.user != NULL && o.signature.secret != NULL),
                2, "sigv4 needs user and secret");
  return o;
}

static int l_request (lua_State *L) {
  Session *s = checksession(L, 1);
  RequestOptions o;
  TransferBox *box;
  memset(&o, 0, sizeof o);
  o.transfer = transferoptions(L);
  o.body = field_bytes(L, 2, "body", &o.body_size);
  o.path = field_string(L, 2, "path");
  o.head = field_boolean(L, 2, "head");
  box = newtransfer(L, KIND_REQUEST);
  box->transfer = request_open(s, &o);
  return box->transfer != NULL ? 1 : pushfailure(L, errno);
}

static int l_poll (lua_State *L) {
  Session *s = checksession(L, 1);
  PollOptions o;
  TransferBox *box;
  memset(&o, 0, sizeof o);
  o.transfer = transferoptions(L);
  o.interval_ms = at_most(field_ms(L, 2, "interval", 5000));
  o.max_attempts = at_most(field_integer(L, 2, "max_attempts", 60));
  o.listen = field_boolean(L, 2, "listen");
  o.is_accepted = field_boolean(L, 2, "is_accepted");
  box = newtransfer(L, KIND_POLL);
  box->transfer = poll_open(s, &o);
  return box->transfer != NULL ? 1 : pushfailure(L, errno);
}

static int l_download (lua_State *L) {
  Session *s = checksession(L, 1);
  DownloadOptions o;
  TransferBox *box;
  memset(&o, 0, sizeof o);
  o.transfer = transferoptions(L);
  lua_getfield(L, 2, "part");
  o.part = checkpart(L, -1);
  o.overwrite = field_boolean(L, 2, "overwrite");
  o.hash = field_boolean(L, 2, "hash");
  o.hold = field_boolean(L, 2, "hold");
  box = newtransfer(L, KIND_DOWNLOAD);
  box->transfer = download_open(s, &o);
  return box->transfer != NULL ? 1 : pushfailure(L, errno);
}

/* fields = { name, value, name, value, … }, as the order on the wire */
static const UploadField *pushfields (lua_State *L) {
  const char **names = field_strings(L, 2, "fields");
  UploadField *fields;
  size_t i, count = 0;
  while (names != NULL && names[count] != NULL)
    count++;
  fields = lua_newuserdatauv(L, (count / 2 + 1) * sizeof *fields, 0);
  for (i = 0; i < count / 2; i++) {
    fields[i].name = names[2 * i];
    fields[i].value = names[2 * i + 1];
  }
  fields[i].name = NULL;
  return fields;
}

static int l_upload (lua_State *L) {
  Session *s = checksession(L, 1);
  UploadOptions o;
  TransferBox *box;
  size_t size;
  int file_error;
  memset(&o, 0, sizeof o);
  o.transfer = transferoptions(L);
  o.fields = pushfields(L);
  o.part = field_string(L, 2, "part");
  o.filename = field_string(L, 2, "filename");
  o.content_type = field_string(L, 2, "content_type");
  luaL_argcheck(L, o.part && o.filename && o.content_type, 2,
                "part, filename and content_type are needed");
  o.accepted = field_string(L, 2, "accepted");
  o.path = field_string(L, 2, "path");
  o.data = field_bytes(L, 2, "data", &size);
  o.size = o.data != NULL ? (int64_t)size : field_integer(L, 2, "size", 0);
  o.hash = field_boolean(L, 2, "hash");
  o.sha256 = field_string(L, 2, "sha256");
  box = newtransfer(L, KIND_UPLOAD);
  if (o.data != NULL) {
    lua_getfield(L, 2, "data");
    box->data = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  box->transfer = upload_open(s, &o, &file_error);
  return box->transfer != NULL ? 1 : pushfailure(L, errno);
}

static int l_is_own (lua_State *L) {
  lua_pushboolean(L, session_is_own(checksession(L, 1)));
  return 1;
}

static int l_step (lua_State *L) {
  Session *s = checksession(L, 1);
  int budget_us = at_most((int64_t)(luaL_optnumber(L, 3, 0.001) * 1e6));
  if (session_step(s, optms(L, 2), budget_us) != 0)
    return luaL_error(L, "a client cannot be used in a forked process: "
                         "open a new one there");
  return 0;
}

/* Milliseconds as seconds, nil for -1. */
static void pushseconds (lua_State *L, int64_t ms) {
  if (ms < 0)
    lua_pushnil(L);
  else
    lua_pushnumber(L, (lua_Number)ms / 1000);
}

/* nil, or id, type, attempt, then by type:
** progress: bytes, total; reply: status, next_in, same; retry: reason, next_in
*/
static int l_next (lua_State *L) {
  static const char *const types[] = {"progress", "reply", "retry", "want",
                                      "done"};
  Event event;
  if (!session_next(checksession(L, 1), &event))
    return 0;
  camb_pushcount(L, (long long)event.id);
  lua_pushstring(L, types[event.type]);
  lua_pushinteger(L, event.attempt);
  switch (event.type) {
  case EVENT_PROGRESS:
    camb_pushcount(L, event.bytes);
    if (event.total >= 0)
      camb_pushcount(L, event.total);
    else
      lua_pushnil(L);
    return 5;
  case EVENT_REPLY:
    lua_pushinteger(L, (lua_Integer)event.http_status);
    pushseconds(L, event.next_ms);
    lua_pushboolean(L, event.same);
    return 6;
  case EVENT_RETRY:
    lua_pushstring(L, event.reason);
    pushseconds(L, event.next_ms);
    return 5;
  default:
    return 3;
  }
}

/* limit_rate(requests a second) */
static int l_limit_rate (lua_State *L) {
  session_limit_rate(checksession(L, 1), luaL_checknumber(L, 2));
  return 0;
}

static int pushfd (lua_State *L, int fd) {
  if (fd >= 0)
    lua_pushinteger(L, fd);
  else
    lua_pushnil(L);
  return 1;
}

static int l_fd (lua_State *L) {
  return pushfd(L, session_fd(checksession(L, 1)));
}

static int l_pollfd (lua_State *L) {
  return pushfd(L, session_pollfd(checksession(L, 1)));
}

static int l_timeout (lua_State *L) {
  pushseconds(L, session_timeout_ms(checksession(L, 1)));
  return 1;
}

static int l_active (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)session_active(checksession(L, 1)));
  return 1;
}

static int l_close (lua_State *L) {
  SessionBox *box = luaL_checkudata(L, 1, SESSION_T);
  Session *s = box->session;
  box->session = NULL;
  session_close(s);
  return 0;
}

static int l_tostring (lua_State *L) {
  const SessionBox *box = luaL_checkudata(L, 1, SESSION_T);
  lua_pushstring(L, box->session != NULL ? "camb.session"
                                         : "camb.session (closed)");
  return 1;
}

/* wait(seconds, session, …): until one of them needs a step.  If a session has
** no descriptor, this only sleeps, for its timeout or a tick at most. */
#define TICK_MS 20

int l_wait (lua_State *L) {
  int i, ms = optms(L, 1), top = lua_gettop(L);
  struct pollfd *fds = lua_newuserdatauv(L, (size_t)top * sizeof *fds, 0);
  nfds_t count = 0;
  for (i = 2; i <= top; i++) {
    Session *s = checksession(L, i);
    int until = session_timeout_ms(s);
    int fd = session_fd(s);
    if (fd >= 0)
      fds[count++] = (struct pollfd){fd, POLLIN, 0};
    else if (ms < 0 || ms > TICK_MS)
      ms = TICK_MS;
    if (until >= 0 && (ms < 0 || until < ms))
      ms = until;
  }
  poll(fds, count, ms);
  return 0;
}

static const luaL_Reg methods[] = {
  {"request", l_request},   {"upload", l_upload}, {"poll", l_poll},
  {"download", l_download}, {"is_own", l_is_own}, {"step", l_step},
  {"next", l_next},         {"fd", l_fd},         {"pollfd", l_pollfd},
  {"timeout", l_timeout},   {"active", l_active}, {"limit_rate", l_limit_rate},
  {"close", l_close},       {NULL, NULL}};

void register_session (lua_State *L) {
  newtype(L, SESSION_T, methods, l_close, l_tostring);
}
