/* camb as one file, for hosts that keep their Lua to themselves: a hidden Lua
** 5.4 works on the host's states.  That is safe if both lay out their states in
** the same way, as 5.4.4 and later do; any other host is refused before
** anything of its is changed. */

#include "single/single.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "lauxlib.h"
#include "lstate.h"
#include "lstring.h"
#include "ltable.h"

#include "binding/compat.h"

#define REFUSAL                                                                \
  "camb cannot work in this host, whose Lua is not 5.4.4 or later: run the "   \
  "command camb from your script instead"

CAMB_EXPORT int luaopen_camb (lua_State *L);

/* Where the main state stands, as the registry says in 5.2 to 5.4; NULL: it is
** another Lua. */
static const lua_State *main_state (const lua_State *L) {
  const global_State *g = L->l_G;
  const Table *registry;
  if (L->tt != LUA_VTHREAD || g == NULL || (size_t)g % sizeof(void *) != 0 ||
      rawtt(&g->l_registry) != ctb(LUA_VTABLE))
    return NULL;
  registry = hvalue(&g->l_registry);
  if (registry->tt != LUA_VTABLE || registry->alimit < LUA_RIDX_MAINTHREAD ||
      rawtt(&registry->array[LUA_RIDX_MAINTHREAD - 1]) != ctb(LUA_VTHREAD))
    return NULL;
  return thvalue(&registry->array[LUA_RIDX_MAINTHREAD - 1]);
}

static bool is_string (const TString *s, const char *text) {
  return s != NULL && s->tt == LUA_VSHRSTR && strcmp(getstr(s), text) == 0;
}

/* The states stand one behind the other in memory, which tells the size of the
** first; then what the second ends with has to be where it is looked for, and two
** flags where 5.4.3 has numbers of another kind. */
static bool fits (const lua_State *L) {
  const lua_State *main = main_state(L);
  const global_State *g = L->l_G;
  return main != NULL &&
         (const char *)g - (const char *)main == (ptrdiff_t)sizeof(lua_State) &&
         g->mainthread == main && is_string(g->memerrmsg, MEMERRMSG) &&
         is_string(g->tmname[TM_CLOSE], "__close") && g->gcstopem <= 1 &&
         g->gcemergency <= 1;
}

/* Lua's own, in ldo.c. */
typedef struct Catch {
  struct Catch *previous;
  jmp_buf b;
  volatile int status;
} Catch;

/* What makes a string, and the stack, are where they are in all of 5.4; up to
** 5.4.2 the state was without its list of variables to be closed. */
static void raise_in_early (lua_State *L) {
  const lua_State *main = main_state(L);
  ptrdiff_t size = main ? (const char *)L->l_G - (const char *)main : 0;
  ptrdiff_t at = (ptrdiff_t)offsetof(lua_State, errorJmp);
  Catch *innermost;
  if (size == (ptrdiff_t)(sizeof(lua_State) - sizeof(StkId)))
    at -= (ptrdiff_t)sizeof(StkId);
  else if (size != (ptrdiff_t)sizeof(lua_State))
    return;
  innermost = *(Catch **)(void *)((char *)L + at);
  setsvalue2s(L, L->top, luaS_newlstr(L, REFUSAL, sizeof REFUSAL - 1));
  L->top++;
  innermost->status = LUA_ERRRUN;
  longjmp(innermost->b, 1);
}

/* A host that shows its Lua raises by that. */
static int refuse (lua_State *L) {
  int (*raise)(lua_State *, const char *, ...) = NULL;
  void *found = host_function("luaL_error");
  memcpy(&raise, &found, sizeof raise);
  if (raise != NULL)
    return raise(L, "%s", REFUSAL);
  raise_in_early(L);
  fprintf(stderr, "%s\n", REFUSAL);
  return 0;
}

/* By the host's own reader, if it has one. */
static void load (lua_State *L, const Embedded *file) {
  lua_pushfstring(L, "@%s", file->path);
  if (lua_getglobal(L, "load") != LUA_TFUNCTION) {
    if (luaL_loadbuffer(L, (const char *)file->bytes, file->size,
                        lua_tostring(L, -2)) != LUA_OK)
      lua_error(L);
    return;
  }
  lua_pushlstring(L, (const char *)file->bytes, file->size);
  lua_pushvalue(L, -3);
  lua_call(L, 2, 2);
  if (lua_isnil(L, -2))
    lua_error(L);
  lua_pop(L, 1);
}

static int l_load (lua_State *L) {
  const Embedded *file = lua_touserdata(L, lua_upvalueindex(1));
  load(L, file);
  lua_pushstring(L, file->name);
  lua_call(L, 1, 1);
  return 1;
}

/* A module that the host has already is left as it is. */
static void preload (lua_State *L, const char *name, lua_CFunction open) {
  if (lua_getfield(L, -1, name) == LUA_TNIL) {
    lua_pushcfunction(L, open);
    lua_setfield(L, -3, name);
  }
  lua_pop(L, 1);
}

int luaopen_camb_core (lua_State *L);
int luaopen_cjson (lua_State *L);

int luaopen_camb (lua_State *L) {
  const Embedded *file;
  if (!fits(L))
    return refuse(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  preload(L, "camb.core", luaopen_camb_core);
  preload(L, "cjson", luaopen_cjson);
  for (file = embedded; file->name != NULL; file++) {
    lua_pushlightuserdata(L, (void *)(size_t)file);
    lua_pushcclosure(L, l_load, 1);
    lua_setfield(L, -2, file->name);
  }
  lua_getfield(L, -1, "camb");
  lua_call(L, 0, 1);
  return 1;
}
