/* Runs paths of camb in a Lua state, and over modules, whose requests for
** memory are refused at will.  The script that is its argument holds the whip:
** it lives in a state of its own, which always gets what it asks for. */

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "allocate.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#else
static int __lsan_do_recoverable_leak_check (void) {
  return 0;
}
#endif

#define LIMIT 60 /* seconds, for anything: more than any deadline in a path */

static lua_State *victim;
static char under_way[256] = "the warming up";

/* What was raised may be a table, as the errors of camb are. */
static const char *words_of (lua_State *L) {
  return luaL_tolstring(L, -1, NULL);
}

/* The victim lives here; its requests count from when it is armed. */
static int l_open (lua_State *L) {
  victim = lua_newstate(allocate_lua, NULL);
  if (victim == NULL)
    return luaL_error(L, "no state");
  luaL_openlibs(victim);
  if (luaL_dofile(victim, luaL_checkstring(L, 1)))
    return luaL_error(L, "%s", words_of(victim));
  lua_settop(victim, 0);
  return 0;
}

static int l_close (lua_State *L) {
  (void)L;
  lua_close(victim);
  victim = NULL;
  return 0;
}

/* set(name, value): a global of the victim, a string or a number. */
static int l_set (lua_State *L) {
  size_t size;
  const char *value = luaL_checklstring(L, 2, &size);
  lua_pushlstring(victim, value, size);
  lua_setglobal(victim, luaL_checkstring(L, 1));
  return 0;
}

static int push_answer (lua_State *L) {
  const char *text = lua_tostring(victim, -1);
  lua_pushstring(L, text);
  lua_settop(victim, 0);
  return 1;
}

/* call(name, text) -> the text that the victim's function returns, unarmed */
static int l_call (lua_State *L) {
  int status;
  lua_getglobal(victim, luaL_checkstring(L, 1));
  lua_pushstring(victim, lua_tostring(L, 2));
  alarm(LIMIT);
  status = lua_pcall(victim, 1, 1, 0);
  alarm(0);
  if (status != LUA_OK)
    return luaL_error(L, "%s (%s)", words_of(victim), under_way);
  return push_answer(L);
}

static unsigned kinds_of (const char *names) {
  return (strchr(names, 'L') != NULL ? FROM_LUA : 0u) |
         (strchr(names, 'C') != NULL ? FROM_CORE : 0u) |
         (strchr(names, 'U') != NULL ? FROM_CURL : 0u) |
         (strchr(names, 'S') != NULL ? FROM_SANDBOX : 0u);
}

/* run(kinds, nth, run, label) -> requests, verdict: the victim's "path" runs
** armed, its "verdict" on what came of it does not. */
static int l_run (lua_State *L) {
  unsigned kinds = kinds_of(luaL_checkstring(L, 1));
  long nth = (long)luaL_checkinteger(L, 2);
  long count, run = (long)luaL_optinteger(L, 3, LONG_MAX);
  int status;
  snprintf(under_way, sizeof under_way, "%s, request %ld",
           luaL_checkstring(L, 4), nth);
  lua_getglobal(victim, "verdict");
  lua_getglobal(victim, "path");
  alarm(LIMIT);
  allocate_arm(kinds, nth, run);
  status = lua_pcall(victim, 0, LUA_MULTRET, 0);
  count = allocate_disarm();
  alarm(0);
  lua_pushboolean(victim, status == LUA_OK);
  lua_insert(victim, 2);
  if (lua_pcall(victim, lua_gettop(victim) - 1, 1, 0) != LUA_OK)
    return luaL_error(L, "%s (%s)", words_of(victim), under_way);
  lua_pushinteger(L, count);
  return 1 + push_answer(L);
}

/* arm(kinds, nth, run) and disarm() -> requests: of what runs in threads */
static int l_arm (lua_State *L) {
  long nth = (long)luaL_checkinteger(L, 2);
  snprintf(under_way, sizeof under_way, "%s, request %ld",
           luaL_checkstring(L, 4), nth);
  alarm(LIMIT);
  allocate_arm(kinds_of(luaL_checkstring(L, 1)), nth,
               (long)luaL_checkinteger(L, 3));
  return 0;
}

static int l_disarm (lua_State *L) {
  lua_pushinteger(L, allocate_disarm());
  alarm(0);
  return 1;
}

/* live() -> blocks of camb.core, of libcurl, bytes of the victim's Lua */
static int l_live (lua_State *L) {
  lua_pushinteger(L, allocate_live(FROM_CORE));
  lua_pushinteger(L, allocate_live(FROM_CURL));
  if (victim == NULL)
    return 2;
  lua_gc(victim, LUA_GCCOLLECT);
  lua_gc(victim, LUA_GCCOLLECT);
  lua_pushinteger(L, lua_gc(victim, LUA_GCCOUNT) * 1024 +
                       lua_gc(victim, LUA_GCCOUNTB));
  return 3;
}

static int l_leaks (lua_State *L) {
  lua_pushboolean(L, __lsan_do_recoverable_leak_check() != 0);
  return 1;
}

/* files(folder) -> { name = bytes } */
static int l_files (lua_State *L) {
  const char *folder = luaL_checkstring(L, 1);
  DIR *open = opendir(folder);
  struct dirent *entry;
  struct stat info;
  lua_newtable(L);
  while (open != NULL && (entry = readdir(open)) != NULL) {
    if (entry->d_name[0] == '.' ||
        fstatat(dirfd(open), entry->d_name, &info, 0) != 0)
      continue;
    lua_pushinteger(L, info.st_size);
    lua_setfield(L, -2, entry->d_name);
  }
  if (open != NULL)
    closedir(open);
  return 1;
}

static int l_pause (lua_State *L) {
  usleep((useconds_t)(luaL_checknumber(L, 1) * 1e6));
  return 0;
}

static int l_find_sandbox (lua_State *L) {
  lua_pushboolean(L, allocate_find_sandbox());
  return 1;
}

static const luaL_Reg functions[] = {
  {"open", l_open},     {"close", l_close}, {"set", l_set},
  {"call", l_call},     {"run", l_run},     {"arm", l_arm},
  {"disarm", l_disarm}, {"live", l_live},   {"leaks", l_leaks},
  {"files", l_files},   {"pause", l_pause}, {"find_sandbox", l_find_sandbox},
  {NULL, NULL}};

static void on_alarm (int signal) {
  static const char words[] = "torture: it hangs: ";
  (void)signal;
  if (write(STDERR_FILENO, words, sizeof words - 1) < 0 ||
      write(STDERR_FILENO, under_way, strlen(under_way)) < 0)
    _exit(2);
  abort();
}

int main (int argc, char **argv) {
  lua_State *L = luaL_newstate();
  int i, status;
  if (argc < 2 || L == NULL || !allocate_hook())
    return 2;
  signal(SIGALRM, on_alarm);
  luaL_openlibs(L);
  luaL_newlib(L, functions);
  lua_setglobal(L, "torture");
  status = luaL_loadfile(L, argv[1]);
  for (i = 2; i < argc && status == LUA_OK; i++)
    lua_pushstring(L, argv[i]);
  if (status == LUA_OK)
    status = lua_pcall(L, argc - 2, 1, 0);
  if (status != LUA_OK)
    fprintf(stderr, "torture: %s\n", words_of(L));
  status = status == LUA_OK && lua_toboolean(L, -1) ? 0 : 1;
  lua_close(L);
  return status;
}
