/* Windows: its two separators, its drives, and the names that it refuses. */

#include "binding/handles.h"

#include <ctype.h>

/* path(text) -> as camb writes paths, with "/" between their parts */
static int l_path (lua_State *L) {
  lua_pushstring(L, luaL_gsub(L, luaL_checkstring(L, 1), "\\", "/"));
  return 1;
}

static size_t behind_part (const char *path, size_t at) {
  size_t n = strcspn(path + at, "/");
  return at + n + (path[at + n] == '/');
}

/* root(path) -> what an absolute path begins with: "C:/", "//server/share/", "/";
** "" for a relative one */
static int l_root (lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  size_t size = 0;
  if (path[0] == '/' && path[1] == '/')
    size = behind_part(path, behind_part(path, 2));
  else if (path[0] == '/')
    size = 1;
  else if (isalpha((unsigned char)path[0]) && path[1] == ':')
    size = path[2] == '/' ? 3 : 2;
  lua_pushlstring(L, path, size);
  return 1;
}

/* Devices have their names in every folder, with any extension. */
static bool is_device (const char *name) {
  static const char *const devices[] = {"con", "prn", "aux", "nul"};
  size_t size = strcspn(name, ".");
  while (size > 0 && name[size - 1] == ' ')
    size--;
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
    if (size == 3 && _strnicmp(name, devices[i], 3) == 0)
      return true;
  return size == 4 && name[3] >= '0' && name[3] <= '9' &&
         (_strnicmp(name, "com", 3) == 0 || _strnicmp(name, "lpt", 3) == 0);
}

/* file_name(text) -> the same as the name of a file of one folder: a colon would
** make it a second stream of another file, and a period or a space at the end
** would be lost */
static int l_file_name (lua_State *L) {
  size_t i, size;
  const char *text = luaL_checklstring(L, 1, &size);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  if (is_device(text))
    luaL_addchar(&b, '_');
  for (i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    bool bad = c < 32 || c == 127 || strchr("/\\<>:\"|?*", c) != NULL ||
               (i + 1 == size && (c == '.' || c == ' '));
    luaL_addchar(&b, bad ? '_' : text[i]);
  }
  luaL_pushresult(&b);
  return 1;
}

const luaL_Reg path_functions[] = {
  {"path", l_path}, {"root", l_root}, {"file_name", l_file_name}, {NULL, NULL}};
