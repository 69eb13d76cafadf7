/* Faults as Lua hands them over: checked and composed by camb.sandbox.faults,
** so nothing here is wrong but by a mistake in there. */

#include "sandbox/binding.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/bomb.h"

#define FAULT_T "camb.fault"

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

static lua_Number getnumber (lua_State *L, int i, const char *key,
                             lua_Number none) {
  lua_Number n;
  lua_getfield(L, i, key);
  n = lua_isnil(L, -1) ? none : lua_tonumber(L, -1);
  lua_pop(L, 1);
  return n;
}

static bool getboolean (lua_State *L, int i, const char *key) {
  bool value;
  lua_getfield(L, i, key);
  value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* In fresh memory, with a NUL behind its '*n' bytes; NULL when there is
** none. */
static char *getcopy (lua_State *L, int i, const char *key, size_t *n) {
  const char *value;
  char *copy = NULL;
  lua_getfield(L, i, key);
  value = lua_tolstring(L, -1, n);
  if (value != NULL && (copy = malloc(*n + 1)) != NULL)
    memcpy(copy, value, *n + 1);
  lua_pop(L, 1);
  if (value != NULL && copy == NULL)
    luaL_error(L, "not enough memory");
  return copy;
}

/* A count, for which math.huge means without end. */
static uint64_t getcount (lua_State *L, int i, const char *key,
                          lua_Number none) {
  lua_Number n = getnumber(L, i, key, none);
  return n < 9e15 ? (uint64_t)n : WITHOUT_END;
}

static OperationId getstep (lua_State *L) {
  int id;
  lua_getfield(L, 2, "step");
  for (id = 0; id < OPERATIONS; id++)
    if (strcmp(luaL_checkstring(L, -1), operations[id]->name) == 0)
      break;
  lua_pop(L, 1);
  if (id == OPERATIONS)
    luaL_error(L, "no such step");
  return (OperationId)id;
}

static void readpiece (lua_State *L, Piece *p) {
  int i = lua_gettop(L);
  p->bytes = getcopy(L, i, "bytes", &p->n);
  p->ahead = (int64_t)getnumber(L, i, "ahead", 0);
  p->count = getcount(L, i, "count", 1);
  p->chunk = (size_t)getnumber(L, i, "chunk", 0);
  p->delay = getnumber(L, i, "delay", 0);
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
  f->status = (int)getnumber(L, 2, "status", 0);
  f->cut = (int64_t)getnumber(L, 2, "cut", -1);
  f->changed = getboolean(L, 2, "changed");
  f->corrupt = getboolean(L, 2, "corrupt");
  f->alters = getboolean(L, 2, "alters");
  lua_getfield(L, 2, "at");
  f->at = (Moment)luaL_checkoption(L, -1, "request", moments);
  lua_getfield(L, 2, "ending");
  f->ending = (Ending)luaL_checkoption(L, -1, "close", endings);
  lua_pop(L, 2);
}

int l_fault (lua_State *L) {
  Server *s = binding_server(L, 1);
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

int l_clear_faults (lua_State *L) {
  faults_clear(binding_server(L, 1)->faults);
  return 0;
}

int l_gzip_bomb (lua_State *L) {
  Bomb b;
  if (!bomb_make(&b, (uint64_t)luaL_checknumber(L, 1)))
    return luaL_error(L, "not enough memory");
  lua_pushlstring(L, (const char *)b.head, sizeof b.head);
  lua_pushlstring(L, (const char *)b.unit, b.unit_length);
  lua_pushnumber(L, (lua_Number)b.count);
  lua_pushlstring(L, (const char *)b.tail, b.tail_length);
  return 4;
}

void binding_open_faults (lua_State *L) {
  luaL_newmetatable(L, FAULT_T);
  lua_pushcfunction(L, l_fault_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}
