/* Looking at recordings, for camb.audio, which has checked what is given. */

#include "sandbox/audio.h"

#include <stdbool.h>
#include <string.h>

#include "engine/convert.h"
#include "engine/overview.h"
#include "engine/probe.h"

#define PROBE_T "camb.probe"
#define OVERVIEW_T "camb.overview"

static int l_probe_gc (lua_State *L) {
  probe_free(luaL_checkudata(L, 1, PROBE_T));
  return 0;
}

static int l_overview_gc (lua_State *L) {
  overview_free(luaL_checkudata(L, 1, OVERVIEW_T));
  return 0;
}

/* A zeroed box, whose collector frees what is put into it. */
static void *newbox (lua_State *L, size_t size, const char *type) {
  void *box = lua_newuserdatauv(L, size, 0);
  memset(box, 0, size);
  luaL_setmetatable(L, type);
  return box;
}

/* nil, whether the file could not be read at all, and a sentence. */
static int pushfault (lua_State *L, const Fault *fault) {
  lua_pushnil(L);
  lua_pushboolean(L, strcmp(fault->reason, FAULT_INTERNAL) == 0);
  lua_pushstring(L, fault->message);
  return 3;
}

static void setnumber (lua_State *L, const char *key, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, key);
}

static void setcount (lua_State *L, const char *key, int64_t value) {
  camb_pushcount(L, value);
  lua_setfield(L, -2, key);
}

static void setstring (lua_State *L, const char *key, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, key);
}

static void setboolean (lua_State *L, const char *key, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, key);
}

static void settags (lua_State *L, const Probe *p) {
  const char *name, *text;
  int at = 0;
  lua_newtable(L);
  while (probe_next_tag(p, &at, &name, &text))
    setstring(L, name, text);
  lua_setfield(L, -2, "tags");
}

/* core.probe(path): a table, or nil and what pushfault gives. */
static int l_probe (lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  Fault fault = {0};
  Probe *p = newbox(L, sizeof *p, PROBE_T);
  if (probe(p, path, &fault) < 0)
    return pushfault(L, &fault);
  lua_newtable(L);
  if (p->duration > 0)
    setnumber(L, "duration", p->duration);
  setboolean(L, "is_estimate", p->is_estimate);
  setcount(L, "rate", p->rate);
  setcount(L, "channels", p->channels);
  setstring(L, "codec", p->codec);
  setstring(L, "container", p->container);
  setboolean(L, "has_cover", p->cover != NULL);
  settags(L, p);
  return 1;
}

static void setlevels (lua_State *L, const char *key, const int32_t *levels,
                       const Overview *o) {
  lua_createtable(L, o->peaks, 0);
  for (int i = 0; i < o->peaks; i++) {
    lua_pushnumber(L, levels[i] / o->scale);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, key);
}

static void pushoverview (lua_State *L, const Overview *o) {
  lua_newtable(L);
  setcount(L, "rate", o->rate);
  setcount(L, "channels", o->channels);
  setcount(L, "samples", o->samples);
  if (o->lows != NULL) {
    setlevels(L, "low", o->lows, o);
    setlevels(L, "high", o->highs, o);
  }
  if (o->cells == NULL)
    return;
  setnumber(L, "lowest", o->lowest);
  setnumber(L, "highest", o->highest);
  lua_pushlstring(L, (const char *)o->cells,
                  (size_t)o->columns * (size_t)o->rows);
  lua_setfield(L, -2, "cells");
}

/* core.overview(path, peaks, columns, rows): a table, or nil and what pushfault
** gives.  0 peaks or columns: without. */
static int l_overview (lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int peaks = (int)luaL_checknumber(L, 2);
  int columns = (int)luaL_checknumber(L, 3);
  int rows = (int)luaL_checknumber(L, 4);
  Fault fault = {0};
  Overview *o = newbox(L, sizeof *o, OVERVIEW_T);
  o->peaks = peaks;
  o->columns = columns;
  o->rows = rows;
  if (overview_make(o, path, &fault) < 0)
    return pushfault(L, &fault);
  pushoverview(L, o);
  overview_free(o);
  return 1;
}

/* core.convert(path, output, format, bitrate, tags): true, or nil and what
** pushfault gives. */
static int l_convert (lua_State *L) {
  Convert c = {
    .path = luaL_checkstring(L, 1),
    .output = luaL_checkstring(L, 2),
    .format = luaL_checkstring(L, 3),
    .bitrate = (int)luaL_checknumber(L, 4),
    .tags = luaL_optstring(L, 5, NULL),
  };
  Fault fault = {0};
  if (convert(&c, &fault) < 0)
    return pushfault(L, &fault);
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg functions[] = {
  {"probe", l_probe},
  {"overview", l_overview},
  {"convert", l_convert},
  {NULL, NULL},
};

static void settype (lua_State *L, const char *type, lua_CFunction gc) {
  luaL_newmetatable(L, type);
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

void audio_register (lua_State *L) {
  settype(L, PROBE_T, l_probe_gc);
  settype(L, OVERVIEW_T, l_overview_gc);
  luaL_setfuncs(L, functions, 0);
  lua_newtable(L);
  for (int i = 0; convert_formats[i] != NULL; i++) {
    lua_pushstring(L, convert_formats[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "formats");
}
