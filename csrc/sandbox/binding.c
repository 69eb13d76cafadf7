/* The Lua face of the sandbox: module camb.sandbox.core.  No Lua runs in any
** of the server's threads. */

#include "binding/compat.h"

#include <libavutil/avutil.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "binding/fields.h"
#include "sandbox/faults/gzip_bomb.h"
#include "sandbox/handles.h"
#include "sandbox/http/server.h"

#define SERVER_T "camb.server"
#define RECORDS_T "camb.records"
#define FAULT_T "camb.fault"

CAMB_EXPORT int luaopen_camb_sandbox_core (lua_State *L);

typedef struct ServerBox {
  Server *server; /* NULL only while it is being started */
} ServerBox;

/* Holds the log's records while tables are made of them, as making tables may
** raise. */
typedef struct RecordsBox {
  Record **list;
  size_t count;
} RecordsBox;

static ServerBox *checkbox (lua_State *L) {
  return luaL_checkudata(L, 1, SERVER_T);
}

Server *checkserver (lua_State *L) {
  ServerBox *box = checkbox(L);
  luaL_argcheck(L, box->server != NULL, 1, "server was not started");
  return box->server;
}

/* A number that camb.sandbox has checked and given a default. */
static lua_Number getnumber (lua_State *L, const char *key) {
  return field_number(L, 1, key, 0);
}

static void readtls (lua_State *L, TlsOptions *tls) {
  tls->on = field_boolean(L, 1, "tls");
  tls->expired = field_boolean(L, 1, "tls_expired");
  tls->self_signed = field_boolean(L, 1, "tls_self_signed");
  tls->old = field_boolean(L, 1, "tls_old");
  tls->name = field_string(L, 1, "tls_host");
}

/* The table comes from camb.sandbox, with every value in its range.  Its
** strings live as long as the table. */
static void readoptions (lua_State *L, ServerOptions *o) {
  o->host = field_string(L, 1, "host");
  o->api_key = field_string(L, 1, "api_key");
  o->base_path = field_string(L, 1, "base_path");
  o->data_dir = field_string(L, 1, "data_dir");
  o->public_url = field_string(L, 1, "public_url");
  o->routes = field_strings(L, 1, "routes");
  o->port = (int)getnumber(L, "port");
  o->stem_port = (int)getnumber(L, "stem_port");
  o->crew.workers = (int)getnumber(L, "workers");
  o->crew.processing = getnumber(L, "processing");
  o->crew.command = field_strings(L, 1, "command");
  o->crew.command_seconds = getnumber(L, "engine_timeout");
  o->crew.max_seconds = getnumber(L, "max_seconds");
  o->crew.max_bytes = (int64_t)getnumber(L, "max_bytes");
  readtls(L, &o->tls);
  o->max_connections = (int)getnumber(L, "max_connections");
  o->idle_timeout = (int)getnumber(L, "idle_timeout");
  o->url_lifetime = getnumber(L, "url_lifetime");
  o->max_upload = (int64_t)getnumber(L, "max_upload");
  o->max_field = (int64_t)getnumber(L, "max_field");
  o->max_headers = (size_t)getnumber(L, "max_headers");
  o->request_log = (size_t)getnumber(L, "request_log");
  live_read(L, &o->page);
}

/* core.start(options): a server, or nil, kind, message. */
static int l_start (lua_State *L) {
  ServerOptions options;
  Failure why;
  ServerBox *box;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  box = lua_newuserdatauv(L, sizeof *box, 0);
  box->server = NULL;
  luaL_setmetatable(L, SERVER_T);
  readoptions(L, &options);
  box->server = server_start(&options, &why);
  if (box->server == NULL) {
    lua_pushnil(L);
    lua_pushstring(L, why.kind);
    lua_pushstring(L, why.message);
    return 3;
  }
  lua_pushvalue(L, 2);
  return 1;
}

/* close, __close and stop share one idempotent path; the memory stays for the
** log and the tasks to be read until the collector comes. */
static int l_stop (lua_State *L) {
  ServerBox *box = checkbox(L);
  if (box->server != NULL)
    server_stop(box->server);
  return 0;
}

static int l_gc (lua_State *L) {
  ServerBox *box = checkbox(L);
  server_free(box->server);
  box->server = NULL;
  return 0;
}

static void setpairs (lua_State *L, const char *key, const NameValues *pairs) {
  size_t at = 0;
  NameValue p;
  lua_newtable(L);
  while (name_values_next(pairs, &at, &p)) {
    lua_pushlstring(L, p.name, p.name_length);
    lua_pushlstring(L, p.value, p.length);
    lua_rawset(L, -3);
  }
  lua_setfield(L, -2, key);
}

static void setfile (lua_State *L, const RecordFile *file) {
  if (file->field == NULL)
    return;
  lua_newtable(L);
  set_string(L, "field", file->field);
  set_string(L, "name", file->name);
  set_string(L, "content_type", file->content_type);
  set_string(L, "sha256", file->sha256);
  set_count(L, "size", file->size);
  lua_setfield(L, -2, "file");
}

static void pushrecord (lua_State *L, const Record *r) {
  lua_newtable(L);
  set_string(L, "listener", r->listener);
  set_string(L, "method", r->method);
  set_string(L, "path", r->path);
  set_string(L, "query", r->query);
  setpairs(L, "headers", &r->headers);
  setpairs(L, "fields", &r->fields);
  setfile(L, &r->file);
  set_count(L, "body_bytes", (int64_t)r->body_bytes);
  if (r->status != 0)
    set_count(L, "status", r->status);
  set_number(L, "time", r->time);
}

static int l_requests (lua_State *L) {
  Server *s = checkserver(L);
  RecordsBox *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->list = NULL;
  box->count = 0;
  luaL_setmetatable(L, RECORDS_T);
  box->list = log_records(s->log, &box->count);
  if (box->list == NULL)
    return luaL_error(L, "not enough memory");
  lua_createtable(L, (int)box->count, 0);
  for (size_t i = 0; i < box->count; i++) {
    pushrecord(L, box->list[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  log_release(box->list, box->count);
  box->list = NULL;
  return 1;
}

static int l_records_gc (lua_State *L) {
  RecordsBox *box = luaL_checkudata(L, 1, RECORDS_T);
  log_release(box->list, box->count);
  box->list = NULL;
  return 0;
}

static void setatomic (lua_State *L, const char *key, atomic_ullong *count) {
  set_count(L, key, (int64_t)atomic_load(count));
}

static int l_stats (lua_State *L) {
  ServerStats *stats = &checkserver(L)->stats;
  lua_newtable(L);
  setatomic(L, "uploads", &stats->uploads);
  lua_newtable(L);
  setatomic(L, "api", &stats->connections[API]);
  setatomic(L, "stem", &stats->connections[STEM]);
  lua_setfield(L, -2, "connections");
  lua_newtable(L);
  for (int i = 0; operations[i] != NULL; i++)
    setatomic(L, operations[i]->name, &stats->requests[i]);
  lua_setfield(L, -2, "requests");
  return 1;
}

static void setpath (lua_State *L, const char *key, const Task *t,
                     const char *file) {
  if (file == NULL)
    return;
  lua_pushfstring(L, "%s/%s", t->folder, file);
  lua_setfield(L, -2, key);
}

static void setfields (lua_State *L, json_t *fields) {
  const char *key;
  json_t *value;
  lua_newtable(L);
  json_object_foreach(fields, key, value)
    set_string(L, key, json_string_value(value));
  lua_setfield(L, -2, "fields");
}

static void setoutcome (lua_State *L, const Task *t) {
  if (!atomic_load(&t->ended)) {
    set_string(L, "status", "PENDING");
    set_boolean(L, "has_begun", atomic_load(&t->begun));
    return;
  }
  set_string(L, "status", t->status);
  set_string(L, "exception_reason", t->reason);
  set_string(L, "message", t->message);
  if (t->run_id > 0)
    set_count(L, "run_id", t->run_id);
  for (int i = 0; i < 2; i++)
    setpath(L, stem_names[i], t, t->stems[i].file);
}

/* server:task(id): its state, or nil if there is no such task. */
static int l_task (lua_State *L) {
  Server *s = checkserver(L);
  const Task *t = store_task(s->store, luaL_checkstring(L, 2));
  if (t == NULL)
    return 0;
  lua_newtable(L);
  set_string(L, "task_id", t->id);
  set_string(L, "folder", t->folder);
  setpath(L, "input", t, t->input);
  set_string(L, "file_name", t->file_name);
  set_string(L, "content_type", t->content_type);
  set_count(L, "size", t->size);
  set_number(L, "created", t->created);
  set_string(L, "sha256", t->sha256[0] != '\0' ? t->sha256 : NULL);
  setfields(L, t->fields);
  setoutcome(L, t);
  return 1;
}

/* Holds the fault while it is read, as reading may raise. */
typedef struct FaultBox {
  Fault *fault;
} FaultBox;

static int l_fault_gc (lua_State *L) {
  FaultBox *box = luaL_checkudata(L, 1, FAULT_T);
  fault_release(box->fault);
  box->fault = NULL;
  return 0;
}

/* In fresh memory, with a NUL behind its '*n' bytes; NULL when there is
** none. */
static char *getcopy (lua_State *L, int i, const char *key, size_t *n) {
  const char *value = field_bytes(L, i, key, n);
  char *copy = NULL;
  if (value != NULL && (copy = malloc(*n + 1)) != NULL)
    memcpy(copy, value, *n + 1);
  if (value != NULL && copy == NULL)
    luaL_error(L, "not enough memory");
  return copy;
}

/* A count, for which math.huge means without end. */
static uint64_t getcount (lua_State *L, int i, const char *key,
                          lua_Number none) {
  lua_Number n = field_number(L, i, key, none);
  return n < 9e15 ? (uint64_t)n : WITHOUT_END;
}

static const Operation *getstep (lua_State *L) {
  const Operation *step;
  lua_getfield(L, 2, "step");
  step = operation_named(luaL_checkstring(L, -1));
  lua_pop(L, 1);
  if (step == NULL)
    luaL_error(L, "no such step");
  return step;
}

static void readpiece (lua_State *L, Piece *p) {
  int i = lua_gettop(L);
  p->bytes = getcopy(L, i, "bytes", &p->n);
  p->ahead = (int64_t)field_number(L, i, "ahead", 0);
  p->count = getcount(L, i, "count", 1);
  p->chunk = (size_t)field_number(L, i, "chunk", 0);
  p->delay = field_number(L, i, "delay", 0);
}

static void readfault (lua_State *L, Fault *f) {
  static const char *const moments[] = {"headers", "body", "request",
                                        "accepted", NULL};
  static const char *const endings[] = {"close", "reset", "hang", NULL};
  size_t n;
  f->step = getstep(L);
  f->path = getcopy(L, 2, "path", &n);
  f->etag = getcopy(L, 2, "etag", &n);
  f->skip = getcount(L, 2, "skip", 0);
  f->times = getcount(L, 2, "times", 1);
  f->after = getcount(L, 2, "after", 0);
  f->status = (int)field_number(L, 2, "status", 0);
  f->cut = (int64_t)field_number(L, 2, "cut", -1);
  f->changed = field_boolean(L, 2, "changed");
  f->corrupt = field_boolean(L, 2, "corrupt");
  f->alters = field_boolean(L, 2, "alters");
  lua_getfield(L, 2, "at");
  f->at = (Moment)luaL_checkoption(L, -1, "request", moments);
  lua_getfield(L, 2, "ending");
  f->ending = (Ending)luaL_checkoption(L, -1, "close", endings);
  lua_pop(L, 2);
}

/* core.fault(server, compiled): append a fault that camb.sandbox.faults
** compiled; an invalid one is a bug there. */
static int l_fault (lua_State *L) {
  Server *s = checkserver(L);
  size_t count;
  FaultBox *box;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  count = lua_rawlen(L, 2);
  box = lua_newuserdatauv(L, sizeof *box, 0);
  box->fault = NULL;
  luaL_setmetatable(L, FAULT_T);
  box->fault = fault_new(count);
  if (box->fault == NULL)
    return luaL_error(L, "not enough memory");
  readfault(L, box->fault);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 2, (int)i + 1);
    readpiece(L, &box->fault->pieces[i]);
    lua_pop(L, 1);
  }
  faults_add(s->faults, box->fault);
  box->fault = NULL;
  return 0;
}

static int l_clear_faults (lua_State *L) {
  faults_clear(checkserver(L)->faults);
  return 0;
}

/* core.gzip_bomb(size): head, unit, count, tail. */
static int l_gzip_bomb (lua_State *L) {
  GzipBomb b;
  if (!gzip_bomb_make(&b, (uint64_t)luaL_checknumber(L, 1)))
    return luaL_error(L, "not enough memory");
  lua_pushlstring(L, (const char *)b.head, sizeof b.head);
  lua_pushlstring(L, (const char *)b.unit, b.unit_length);
  lua_pushnumber(L, (lua_Number)b.count);
  lua_pushlstring(L, (const char *)b.tail, b.tail_length);
  return 4;
}

/* Methods first, then the fields of a server. */
static int l_index (lua_State *L) {
  Server *s = checkserver(L);
  const char *key = luaL_checkstring(L, 2);
  lua_getfield(L, lua_upvalueindex(1), key);
  if (!lua_isnil(L, -1))
    return 1;
  if (strcmp(key, "base_url") == 0)
    lua_pushstring(L, s->base_url);
  else if (strcmp(key, "stem_url") == 0)
    lua_pushstring(L, s->stem_url);
  else if (strcmp(key, "api_key") == 0)
    lua_pushstring(L, s->api_key);
  else if (strcmp(key, "ca_file") == 0)
    lua_pushstring(L, s->tls.ca_file);
  else if (strcmp(key, "data_dir") == 0)
    lua_pushstring(L, s->store != NULL ? store_folder(s->store) : NULL);
  else if (strcmp(key, "origin") == 0)
    lua_pushstring(L, s->listeners[API].origin);
  return 1;
}

static int l_tostring (lua_State *L) {
  Server *s = checkserver(L);
  lua_pushfstring(L, "%s: %s", SERVER_T, s->base_url);
  return 1;
}

static const luaL_Reg methods[] = {
  {"requests", l_requests},
  {"stats", l_stats},
  {"task", l_task},
  {"stop", l_stop},
  {"close", l_stop},
  {"clear_faults", l_clear_faults},
  {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
  {"__gc", l_gc},
  {"__close", l_stop},
  {"__tostring", l_tostring},
  {NULL, NULL},
};

/* versions() -> what the sandbox is built on, in words */
static int l_versions (lua_State *L) {
  lua_pushfstring(L, "libmicrohttpd %s, FFmpeg %s", MHD_get_version(),
                  av_version_info());
  return 1;
}

static const luaL_Reg functions[] = {
  {"versions", l_versions}, {"metrics", l_metrics},     {"start", l_start},
  {"fault", l_fault},       {"gzip_bomb", l_gzip_bomb}, {NULL, NULL},
};

void settype (lua_State *L, const char *type, lua_CFunction gc) {
  luaL_newmetatable(L, type);
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

int luaopen_camb_sandbox_core (lua_State *L) {
  metrics_register(L);
  settype(L, RECORDS_T, l_records_gc);
  settype(L, FAULT_T, l_fault_gc);
  luaL_newmetatable(L, SERVER_T);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, l_index, 1);
  lua_setfield(L, -3, "__index");
  luaL_newlib(L, functions);
  audio_register(L);
  live_register(L);
  lua_insert(L, -2);
  lua_setfield(L, -2, "methods"); /* camb.sandbox adds those in Lua */
  return 1;
}
