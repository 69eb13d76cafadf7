/* Looking into folders, and at names by patterns. */

#include "binding/handles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_entry (const struct dirent *entry) {
  return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* In bytes' order, which is the same in every locale. */
static int compare (const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

/* A link counts as itself, so that a walk does not go round in circles. */
static bool is_folder (const char *path, const char *name) {
  struct stat info;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool folder = fd >= 0 && fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISDIR(info.st_mode);
  if (fd >= 0)
    close(fd);
  return folder;
}

typedef struct Listing {
  struct dirent **entries;
  int count;
} Listing;

static int l_free (lua_State *L) {
  Listing *l = lua_touserdata(L, 1);
  while (l->count > 0)
    free(l->entries[--l->count]);
  free(l->entries);
  l->entries = NULL;
  return 0;
}

/* An owner for scandir's memory, should a push raise. */
static Listing *newlisting (lua_State *L) {
  Listing *l = lua_newuserdatauv(L, sizeof *l, 0);
  l->entries = NULL;
  l->count = 0;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, l_free);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  return l;
}

/* list_folder(path) -> names in bytes' order, and by name whether it is a
** folder; nil, reason */
int l_list_folder (lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  Listing *l = newlisting(L);
  int i, count = scandir(path, &l->entries, is_entry, compare);
  if (count < 0) {
    lua_pushnil(L);
    lua_pushstring(L, strerror(errno));
    return 2;
  }
  l->count = count;
  lua_createtable(L, count, 0);
  lua_newtable(L);
  for (i = 0; i < count; i++) {
    const struct dirent *entry = l->entries[i];
    lua_pushstring(L, entry->d_name);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -4, i + 1);
    if (entry->d_type == DT_DIR ||
        (entry->d_type == DT_UNKNOWN && is_folder(path, entry->d_name))) {
      lua_pushboolean(L, 1);
      lua_rawset(L, -3);
    } else {
      lua_pop(L, 1);
    }
  }
  return 2;
}

/* matches(pattern, name) -> whether the name is of the shell's pattern, in
** which a leading period has to stand itself */
int l_matches (lua_State *L) {
  lua_pushboolean(L, fnmatch(luaL_checkstring(L, 1), luaL_checkstring(L, 2),
                             FNM_PERIOD) == 0);
  return 1;
}
