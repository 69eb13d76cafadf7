/* Reading option tables. */

#include "binding/fields.h"

#include <string.h>

static int wrong (lua_State *L, const char *name, const char *expected) {
  return luaL_error(L, "field '%s': %s expected, got %s", name, expected,
                    luaL_typename(L, -1));
}

const char *field_bytes (lua_State *L, int index, const char *name,
                         size_t *size) {
  const char *value = NULL;
  *size = 0;
  lua_getfield(L, index, name);
  if (lua_type(L, -1) == LUA_TSTRING)
    value = lua_tolstring(L, -1, size);
  else if (!lua_isnil(L, -1))
    wrong(L, name, "string");
  lua_pop(L, 1); /* the table still holds it */
  return value;
}

const char *field_string (lua_State *L, int index, const char *name) {
  size_t size;
  const char *value = field_bytes(L, index, name, &size);
  if (value != NULL && strlen(value) != size)
    luaL_error(L, "field '%s' contains a NUL byte", name);
  return value;
}

static bool number (lua_State *L, int index, const char *name, lua_Number *n) {
  bool present;
  lua_getfield(L, index, name);
  present = lua_type(L, -1) == LUA_TNUMBER;
  if (present)
    *n = lua_tonumber(L, -1);
  else if (!lua_isnil(L, -1))
    wrong(L, name, "number");
  lua_pop(L, 1);
  return present;
}

/* Beyond what an int64_t holds, infinity included, is "no limit". */
static int64_t round_to_integer (lua_Number n, int64_t most) {
  if (n >= (lua_Number)most)
    return most;
  return n > 0 ? (int64_t)(n + 0.5) : 0;
}

int64_t field_integer (lua_State *L, int index, const char *name,
                       int64_t other) {
  lua_Number n;
  return number(L, index, name, &n) ? round_to_integer(n, INT64_MAX) : other;
}

int64_t field_ms (lua_State *L, int index, const char *name, int64_t other) {
  lua_Number n;
  return number(L, index, name, &n) ? round_to_integer(n * 1000, INT64_MAX)
                                    : other;
}

double field_number (lua_State *L, int index, const char *name, double other) {
  lua_Number n;
  return number(L, index, name, &n) ? (double)n : other;
}

bool field_boolean (lua_State *L, int index, const char *name) {
  bool value;
  lua_getfield(L, index, name);
  value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

const char **field_strings (lua_State *L, int index, const char *name) {
  const char **list;
  size_t i, count;
  lua_getfield(L, index, name);
  if (lua_isnil(L, -1))
    return NULL;
  if (!lua_istable(L, -1))
    wrong(L, name, "table");
  count = lua_rawlen(L, -1);
  list = lua_newuserdatauv(L, (count + 1) * sizeof *list, 0);
  for (i = 0; i < count; i++) {
    lua_rawgeti(L, -2, (int)i + 1);
    if (lua_type(L, -1) != LUA_TSTRING)
      wrong(L, name, "strings");
    list[i] = lua_tostring(L, -1);
    if (strlen(list[i]) != lua_rawlen(L, -1))
      luaL_error(L, "field '%s' contains a NUL byte", name);
    lua_pop(L, 1);
  }
  list[count] = NULL;
  lua_remove(L, -2); /* the strings belong to the table in the options */
  return list;
}

void set_string (lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

void set_boolean (lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

void set_count (lua_State *L, const char *name, int64_t n) {
  camb_pushcount(L, n);
  lua_setfield(L, -2, name);
}

void set_number (lua_State *L, const char *name, double n) {
  lua_pushnumber(L, n);
  lua_setfield(L, -2, name);
}
