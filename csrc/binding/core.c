/* Module camb.core: the C core as Lua sees it.  No policy, and no function of
** it is ever called by libcurl. */

#include "binding/handles.h"

#include <string.h>

#include <curl/curl.h>

void newtype (lua_State *L, const char *name, const luaL_Reg *methods,
              lua_CFunction close, lua_CFunction tostring) {
  luaL_newmetatable(L, name);
  lua_pushcfunction(L, close);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, close);
  lua_setfield(L, -2, "__close");
  if (tostring != NULL) {
    lua_pushcfunction(L, tostring);
    lua_setfield(L, -2, "__tostring");
  }
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

int pushfailure (lua_State *L, int error) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(error));
  return 2;
}

static const luaL_Reg functions[] = {{"session", l_session},
                                     {"wait", l_wait},
                                     {"sha256", l_sha256},
                                     {"watchdog", l_watchdog},
                                     {NULL, NULL}};

CAMB_EXPORT int luaopen_camb_core (lua_State *L);

int luaopen_camb_core (lua_State *L) {
  /* never undone: other code in the process may use libcurl too */
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return luaL_error(L, "libcurl cannot be initialised");
  register_session(L);
  register_transfer(L);
  register_digest(L);
  register_part(L);
  register_watchdog(L);
  luaL_newlib(L, functions);
  luaL_setfuncs(L, file_functions, 0);
  luaL_setfuncs(L, path_functions, 0);
  luaL_setfuncs(L, system_functions, 0);
  return 1;
}
