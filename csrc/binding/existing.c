/* Recordings of a name, whatever their format. */

#include "binding/handles.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/folders.h"
#include "core/format.h"

typedef struct FoldersBox {
  Folders *folders;
} FoldersBox;

/* folders() -> an object that remembers what folders held a moment ago */
int l_folders (lua_State *L) {
  FoldersBox *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->folders = NULL;
  luaL_setmetatable(L, FOLDERS_T);
  box->folders = folders_open();
  if (box->folders == NULL)
    return luaL_error(L, "%s", strerror(ENOMEM));
  return 1;
}

static int l_gc (lua_State *L) {
  FoldersBox *box = luaL_checkudata(L, 1, FOLDERS_T);
  folders_close(box->folders);
  box->folders = NULL;
  return 0;
}

static int index_of (const char *extension) {
  const Format *format;
  for (int i = 0; (format = format_at((size_t)i)) != NULL; i++)
    if (strcmp(format->extension, extension) == 0)
      return i;
  return -1;
}

/* existing(folders or nil, base, other_than?) -> the path of a file
** "<base>.<extension>" of any of the formats' extensions, but for the one
** given; nil when there is none.  With 'folders' as listed a moment ago. */
int l_existing (lua_State *L) {
  FoldersBox *box = lua_isnil(L, 1) ? NULL : luaL_checkudata(L, 1, FOLDERS_T);
  const char *base = checkpath(L, 2);
  int own = index_of(luaL_optstring(L, 3, ""));
  unsigned likely = box != NULL ? folders_likely(box->folders, base, own) : ~0u;
  const Format *format;
  struct stat info;
  for (int i = 0; (format = format_at((size_t)i)) != NULL; i++) {
    if (i == own || !(likely & 1u << i))
      continue;
    lua_pushfstring(L, "%s.%s", base, format->extension);
    if (stat(lua_tostring(L, -1), &info) == 0)
      return 1;
    lua_pop(L, 1);
  }
  return 0;
}

void register_folders (lua_State *L) {
  luaL_newmetatable(L, FOLDERS_T);
  lua_pushcfunction(L, l_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}
