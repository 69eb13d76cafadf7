/* The watchdog of a blocking library as Lua sees it. */

#include "binding/handles.h"

#include "core/watchdog.h"

typedef struct WatchdogBox {
  Watchdog *watchdog; /* NULL once closed */
} WatchdogBox;

/* watchdog() -> one that looks for the next socket that is opened; nothing if
** no thread can be started */
int l_watchdog (lua_State *L) {
  WatchdogBox *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->watchdog = NULL;
  luaL_setmetatable(L, WATCHDOG_T);
  box->watchdog = watchdog_open(caught_signal());
  return box->watchdog != NULL;
}

static Watchdog *checkopen (lua_State *L) {
  WatchdogBox *box = luaL_checkudata(L, 1, WATCHDOG_T);
  luaL_argcheck(L, box->watchdog != NULL, 1, "watchdog is closed");
  return box->watchdog;
}

/* adopt() -> whether a socket was found that is or was connected */
static int l_adopt (lua_State *L) {
  lua_pushboolean(L, watchdog_adopt(checkopen(L)));
  return 1;
}

/* begin(seconds) */
static int l_begin (lua_State *L) {
  watchdog_begin(checkopen(L), (int)(luaL_checknumber(L, 2) * 1000));
  return 0;
}

/* finish() -> whether the watchdog has ended the call */
static int l_finish (lua_State *L) {
  lua_pushboolean(L, watchdog_end(checkopen(L)));
  return 1;
}

static int l_close_socket (lua_State *L) {
  watchdog_close_socket(checkopen(L));
  return 0;
}

static int l_close (lua_State *L) {
  WatchdogBox *box = luaL_checkudata(L, 1, WATCHDOG_T);
  watchdog_close(box->watchdog);
  box->watchdog = NULL;
  return 0;
}

static const luaL_Reg methods[] = {
  {"adopt", l_adopt},   {"begin", l_begin},
  {"finish", l_finish}, {"close_socket", l_close_socket},
  {"close", l_close},   {NULL, NULL}};

void register_watchdog (lua_State *L) {
  newtype(L, WATCHDOG_T, methods, l_close, NULL);
}
