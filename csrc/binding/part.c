/* Parts as Lua sees them: files that are open, and kept from others, before
** anything comes down into them. */

#include "binding/handles.h"

#include <errno.h>
#include <string.h>

/* part(base) -> "<base>.part", open and locked; nil, reason, whether somebody
** else is writing it.  Without a base it is one in TMPDIR, for the user alone.
*/
int l_part (lua_State *L) {
  size_t size = 0;
  const char *base = luaL_optlstring(L, 1, NULL, &size);
  PartFile *p = lua_newuserdatauv(L, sizeof *p, 0);
  PartStatus status;
  const char *reason;
  partfile_clear(p);
  luaL_setmetatable(L, PART_T);
  luaL_argcheck(L, base == NULL || strlen(base) == size, 1,
                "path holds a NUL byte");
  status = base != NULL ? partfile_open(p, base) : partfile_open_private(p);
  if (status == PART_OK)
    return 1;
  reason = status == PART_FOREIGN ? "what has that name is not camb's"
                                  : strerror(errno);
  lua_pushnil(L);
  lua_pushstring(L, reason);
  lua_pushboolean(L, status == PART_BUSY);
  partfile_close(p);
  return 3;
}

PartFile *checkpart (lua_State *L, int index) {
  PartFile *p = luaL_checkudata(L, index, PART_T);
  luaL_argcheck(L, p->fd >= 0, index, "part is closed");
  return p;
}

static int l_close (lua_State *L) {
  partfile_close(luaL_checkudata(L, 1, PART_T));
  return 0;
}

static const luaL_Reg methods[] = {{"close", l_close}, {NULL, NULL}};

static const luaL_Reg metamethods[] = {
  {"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};

void register_part (lua_State *L) {
  luaL_newmetatable(L, PART_T);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
