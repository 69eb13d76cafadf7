/* A host that embeds Lua, and shows none of it to the modules that it loads. */

#include <stdio.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

int main (int argc, char **argv) {
  lua_State *L = luaL_newstate();
  int i, status;
  luaL_openlibs(L);
  lua_createtable(L, argc, 0);
  for (i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - 1);
  }
  lua_setglobal(L, "arg");
  status = argc < 2 || luaL_dofile(L, argv[1]);
  if (status != 0)
    fprintf(stderr, "host: %s\n", lua_tostring(L, -1));
  lua_close(L);
  return status;
}
