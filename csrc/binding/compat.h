/* Everything in which Lua 5.1, LuaJIT, 5.2, 5.3 and 5.4 differ for us: the
** rest of the C sources is written for 5.4 and includes this first. */

#ifndef CAMB_COMPAT_H
#define CAMB_COMPAT_H

#include <stddef.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#define CAMB_EXPORT __attribute__((visibility("default")))

#if LUA_VERSION_NUM < 504
#define lua_newuserdatauv(L, size, n) ((void)(n), lua_newuserdata(L, size))
#endif

#if LUA_VERSION_NUM < 502
#define lua_rawlen(L, i) lua_objlen(L, i)

static inline int lua_absindex (lua_State *L, int i) {
  return (i > 0 || i <= LUA_REGISTRYINDEX) ? i : lua_gettop(L) + i + 1;
}

#ifndef luaL_newlib /* LuaJIT has these */
#define luaL_setfuncs(L, l, n) ((void)(n), luaL_register(L, NULL, l))
#define luaL_newlib(L, l)                                                      \
  (lua_createtable(L, 0, (int)(sizeof(l) / sizeof((l)[0]) - 1)),               \
   luaL_setfuncs(L, l, 0))
#define luaL_setmetatable(L, name)                                             \
  (luaL_getmetatable(L, name), (void)lua_setmetatable(L, -2))
#endif
#endif

/* Push a count or an id: an integer where Lua has them, else a float, exact up
** to 2^53. */
static inline void camb_pushcount (lua_State *L, long long n) {
#if LUA_VERSION_NUM >= 503
  lua_pushinteger(L, (lua_Integer)n);
#else
  lua_pushnumber(L, (lua_Number)n);
#endif
}

/* The integer at 'i', exact up to 2^53 also where Lua has only floats. */
#if LUA_VERSION_NUM < 503
static inline int camb_isinteger (lua_State *L, int i) {
  lua_Number n;
  if (lua_type(L, i) != LUA_TNUMBER)
    return 0;
  n = lua_tonumber(L, i);
  return n == (lua_Number)(long long)n;
}
#define lua_isinteger(L, i) camb_isinteger(L, i)
#endif

#endif
