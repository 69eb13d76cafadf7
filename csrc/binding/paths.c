/* Paths and names as this system has them; csrc/win/paths.c for Windows. */

#include "binding/handles.h"

#include <string.h>

/* path(text) -> as camb writes paths, with "/" between their parts */
static int l_path (lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  return 1;
}

/* root(path) -> what an absolute path begins with; "" for a relative one */
static int l_root (lua_State *L) {
  lua_pushstring(L, *luaL_checkstring(L, 1) == '/' ? "/" : "");
  return 1;
}

/* file_name(text) -> the same as the name of a file of one folder */
static int l_file_name (lua_State *L) {
  size_t i, size;
  const char *text = luaL_checklstring(L, 1, &size);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    bool bad = c < 32 || c == 127 || c == '/' || c == '\\';
    luaL_addchar(&b, bad ? '_' : text[i]);
  }
  luaL_pushresult(&b);
  return 1;
}

const luaL_Reg path_functions[] = {
  {"path", l_path}, {"root", l_root}, {"file_name", l_file_name}, {NULL, NULL}};
