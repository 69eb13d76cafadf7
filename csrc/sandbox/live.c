/* The page of a server, for camb.report.live. */

#include "sandbox/handles.h"

#include <stdlib.h>
#include <string.h>

#include "binding/fields.h"
#include "sandbox/http/server.h"

#define DROPPED_T "camb.dropped"
#define TASKS_T "camb.tasks"

static Page *checkpage (lua_State *L) {
  Server *s = checkserver(L);
  luaL_argcheck(L, s->page != NULL, 1, "server has no page");
  return s->page;
}

static Store *checkstore (lua_State *L) {
  Server *s = checkserver(L);
  luaL_argcheck(L, s->store != NULL, 1, "server has no tasks");
  return s->store;
}

void live_read (lua_State *L, PageOptions *o) {
  memset(o, 0, sizeof *o);
  lua_getfield(L, 1, "page");
  if (lua_istable(L, -1)) {
    int i = lua_gettop(L);
    o->html = field_string(L, i, "html");
    o->policy = field_string(L, i, "policy");
    o->folder = field_string(L, i, "folder");
    o->is_alone = field_boolean(L, i, "is_alone");
  }
  lua_pop(L, 1);
}

/* core.put(server, id, json, mixture, foreground, background) */
static int l_put (lua_State *L) {
  Page *page = checkpage(L);
  lua_Integer id = luaL_checkinteger(L, 2);
  const char *json = luaL_checkstring(L, 3);
  const char *paths[PAGE_TRACKS];
  for (int t = 0; t < PAGE_TRACKS; t++)
    paths[t] = luaL_optstring(L, 4 + t, NULL);
  if (id < 1 || !page_put(page, (size_t)id, json, paths))
    return luaL_error(L, "the item %d cannot be published", (int)id);
  return 0;
}

/* Holds the file while its strings are made, as that may raise. */
typedef struct DroppedBox {
  Dropped *dropped;
} DroppedBox;

static int l_dropped_gc (lua_State *L) {
  DroppedBox *box = luaL_checkudata(L, 1, DROPPED_T);
  dropped_free(box->dropped, false);
  box->dropped = NULL;
  return 0;
}

/* core.dropped(server) -> path and name of a dropped file, which the caller now
** owns; nothing if none waits. */
static int l_dropped (lua_State *L) {
  Page *page = checkpage(L);
  DroppedBox *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->dropped = NULL;
  luaL_setmetatable(L, DROPPED_T);
  box->dropped = page_take_dropped(page);
  if (box->dropped == NULL)
    return 0;
  lua_pushstring(L, box->dropped->path);
  lua_pushstring(L, box->dropped->name);
  dropped_free(box->dropped, true);
  box->dropped = NULL;
  return 2;
}

/* core.version(server) -> a number that changes whenever a task is added or
** advances */
static int l_version (lua_State *L) {
  lua_pushnumber(L, (lua_Number)store_version(checkstore(L)));
  return 1;
}

/* Holds the list while a table is made of it. */
typedef struct TasksBox {
  Task **list;
} TasksBox;

static int l_tasks_gc (lua_State *L) {
  TasksBox *box = luaL_checkudata(L, 1, TASKS_T);
  free(box->list);
  box->list = NULL;
  return 0;
}

/* core.tasks(server, first) -> the ids of the tasks from that one on, in the order in
** which they came */
static int l_tasks (lua_State *L) {
  Store *store = checkstore(L);
  lua_Integer first = luaL_checkinteger(L, 2);
  size_t count = 0;
  TasksBox *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->list = NULL;
  luaL_setmetatable(L, TASKS_T);
  box->list = store_tasks(store, &count);
  if (box->list == NULL)
    return luaL_error(L, "not enough memory");
  lua_newtable(L);
  for (size_t i = first < 1 ? 0 : (size_t)first - 1, n = 0; i < count; i++) {
    lua_pushstring(L, box->list[i]->id);
    lua_rawseti(L, -2, (int)++n);
  }
  free(box->list);
  box->list = NULL;
  return 1;
}

static const luaL_Reg functions[] = {
  {"put", l_put},     {"dropped", l_dropped}, {"version", l_version},
  {"tasks", l_tasks}, {NULL, NULL},
};

void live_register (lua_State *L) {
  settype(L, DROPPED_T, l_dropped_gc);
  settype(L, TASKS_T, l_tasks_gc);
  luaL_setfuncs(L, functions, 0);
}
