/* Counts the lines of our Lua files that run, in every coroutine, also those
** that C makes: a hook of C is handed on to each of them.
**
** Loaded by LUA_INIT.  When the process ends, what ran is added to a file of
** its own in the folder that COVERAGE names, as "path:line" lines. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

enum { FILES = 256, LINES = 2048, PATH_SIZE = 256 };

typedef struct File {
  char path[PATH_SIZE]; /* "": free */
  unsigned char ran[LINES];
} File;

static File files[FILES];

int luaopen_coverage (lua_State *L);

static unsigned hash (const char *text) {
  unsigned h = 2166136261u; /* FNV-1a */
  for (; *text != '\0'; text++)
    h = (h ^ (unsigned char)*text) * 16777619u;
  return h;
}

static File *find (const char *path) {
  unsigned at = hash(path);
  for (unsigned i = 0; i < FILES; i++) {
    File *file = &files[(at + i) % FILES];
    if (file->path[0] == '\0')
      snprintf(file->path, sizeof file->path, "%s", path);
    if (strcmp(file->path, path) == 0)
      return file;
  }
  return NULL;
}

/* Ours are loaded as lua/… or under the checkout's path. */
static void on_line (lua_State *L, lua_Debug *ar) {
  File *file;
  lua_getinfo(L, "S", ar);
  if (ar->source[0] != '@' || strstr(ar->source, "lua/camb") == NULL)
    return;
  file = find(ar->source + 1);
  if (file != NULL && ar->currentline < LINES)
    file->ran[ar->currentline] = 1;
}

static void save (void) {
  char name[PATH_SIZE];
  FILE *out;
  mkdir(getenv("COVERAGE"), 0777);
  snprintf(name, sizeof name, "%s/lua-%d", getenv("COVERAGE"), (int)getpid());
  out = fopen(name, "a");
  for (int i = 0; out != NULL && i < FILES; i++)
    for (int line = 0; line < LINES; line++)
      if (files[i].ran[line])
        fprintf(out, "%s:%d\n", files[i].path, line);
  if (out != NULL)
    fclose(out);
}

int luaopen_coverage (lua_State *L) {
  if (getenv("COVERAGE") != NULL) {
    lua_sethook(L, on_line, LUA_MASKLINE, 0);
    atexit(save);
  }
  return 0;
}
