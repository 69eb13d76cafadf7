/* Module camb.core: the C core as Lua sees it.  No policy, and no function of
** it is ever called by libcurl. */

#include "binding/handles.h"

#include <curl/curl.h>

static const luaL_Reg functions[] = {{"session", l_session},
                                     {"wait", l_wait},
                                     {"sha256", l_sha256},
                                     {"list_folder", l_list_folder},
                                     {"matches", l_matches},
                                     {"hold_signals", l_hold_signals},
                                     {"wait_signal", l_wait_signal},
                                     {"part", l_part},
                                     {"catch_signals", l_catch_signals},
                                     {"caught_signal", l_caught_signal},
                                     {"append", l_append},
                                     {"remove_read", l_remove_read},
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
  luaL_newlib(L, functions);
  luaL_setfuncs(L, system_functions, 0);
  return 1;
}
