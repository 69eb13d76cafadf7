/* Looking at recordings, for camb.audio, which has checked the arguments.  What
** takes long is done by a thread; Lua asks from time to time whether it is. */

#include "sandbox/handles.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "binding/fields.h"
#include "engine/convert.h"
#include "engine/overview.h"
#include "engine/probe.h"
#include "sandbox/page/picture.h"

#define PROBE_T "camb.probe"
#define WORK_T "camb.work"

typedef struct Work Work;

/* A call of the engine under way. */
struct Work {
  int (*make)(Work *w);
  void (*push)(lua_State *L, Work *w); /* one value, if that went well */
  void (*free)(Work *w);
  char *texts[4]; /* path; of a conversion also output, format and tags */
  union {
    Overview overview;
    Picture picture;
    Convert convert;
  } of;
  atomic_bool cancel, done;
  pthread_t thread;
  bool running; /* there is a thread to be joined */
  pid_t owner;
  int result;
  Fault fault;
};

static int l_probe_gc (lua_State *L) {
  probe_free(luaL_checkudata(L, 1, PROBE_T));
  return 0;
}

/* A zeroed box, whose collector frees what is put into it. */
static void *newbox (lua_State *L, size_t size, const char *type) {
  void *box = lua_newuserdatauv(L, size, 0);
  memset(box, 0, size);
  luaL_setmetatable(L, type);
  return box;
}

/* nil, whether the file itself could not be read, and a sentence. */
static int pushfault (lua_State *L, const Fault *fault) {
  lua_pushnil(L);
  lua_pushboolean(L, strcmp(fault->reason, FAULT_INTERNAL) == 0);
  lua_pushstring(L, fault->message);
  return 3;
}

static void settags (lua_State *L, const Probe *p) {
  const char *name, *text;
  int at = 0;
  lua_newtable(L);
  while (probe_next_tag(p, &at, &name, &text))
    set_string(L, name, text);
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
    set_number(L, "duration", p->duration);
  set_boolean(L, "is_estimate", p->is_estimate);
  set_count(L, "rate", p->rate);
  set_count(L, "channels", p->channels);
  set_string(L, "codec", p->codec);
  set_string(L, "container", p->container);
  set_boolean(L, "has_cover", p->cover != NULL);
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
  set_count(L, "rate", o->rate);
  set_count(L, "channels", o->channels);
  set_count(L, "samples", o->samples);
  if (o->lows != NULL) {
    setlevels(L, "low", o->lows, o);
    setlevels(L, "high", o->highs, o);
  }
  if (o->cells == NULL)
    return;
  set_number(L, "lowest", o->lowest);
  set_number(L, "highest", o->highest);
  lua_pushlstring(L, (const char *)o->cells,
                  (size_t)o->columns * (size_t)o->rows);
  lua_setfield(L, -2, "cells");
}

/* --- in a thread ---------------------------------------------------------- */

static void *run (void *context) {
  Work *w = context;
  w->result = w->make(w);
  atomic_store(&w->done, true);
  return NULL;
}

/* Signals belong to the host's threads; if no other thread can be started, the
** host's own does the work. */
static void start (Work *w) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  w->running = pthread_create(&w->thread, NULL, run, w) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!w->running)
    run(w);
}

static void join (Work *w) {
  if (w->running)
    pthread_join(w->thread, NULL);
  w->running = false;
}

static Work *newwork (lua_State *L, int texts) {
  Work *w = newbox(L, sizeof *w, WORK_T);
  w->owner = getpid();
  for (int i = 0; i < texts; i++) {
    const char *text = luaL_checkstring(L, i + 1);
    if ((w->texts[i] = strdup(text)) == NULL)
      luaL_error(L, "not enough memory");
  }
  return w;
}

/* close(): it is not wanted any more.  In a forked child there is no thread, and
** what it has made is the parent's. */
static int l_close (lua_State *L) {
  Work *w = luaL_checkudata(L, 1, WORK_T);
  if (w->owner != getpid())
    return 0;
  atomic_store(&w->cancel, true);
  join(w);
  if (w->free != NULL)
    w->free(w);
  w->free = NULL;
  for (size_t i = 0; i < sizeof w->texts / sizeof *w->texts; i++) {
    free(w->texts[i]);
    w->texts[i] = NULL;
  }
  return 0;
}

/* outcome() -> false as long as it is under way; then what came of it, or nil
** and what pushfault gives, once. */
static int l_outcome (lua_State *L) {
  Work *w = luaL_checkudata(L, 1, WORK_T);
  if (!atomic_load(&w->done)) {
    lua_pushboolean(L, 0);
    return 1;
  }
  join(w);
  if (w->result < 0)
    return pushfault(L, &w->fault);
  w->push(L, w);
  return 1;
}

static int make_overview (Work *w) {
  return overview_make(&w->of.overview, w->texts[0], &w->fault);
}

static void push_overview (lua_State *L, Work *w) {
  pushoverview(L, &w->of.overview);
}

static void free_overview (Work *w) {
  overview_free(&w->of.overview);
}

/* core.overview(path, peaks, columns, rows): work that comes to a table.  0
** peaks or columns: without. */
static int l_overview (lua_State *L) {
  Work *w = newwork(L, 1);
  w->make = make_overview;
  w->push = push_overview;
  w->free = free_overview;
  w->of.overview = (Overview){.peaks = (int)luaL_checknumber(L, 2),
                              .columns = (int)luaL_checknumber(L, 3),
                              .rows = (int)luaL_checknumber(L, 4),
                              .cancel = &w->cancel};
  start(w);
  return 1;
}

static int make_picture (Work *w) {
  return picture_make(&w->of.picture, w->texts[0], &w->fault);
}

static void push_picture (lua_State *L, Work *w) {
  const Picture *p = &w->of.picture;
  lua_newtable(L);
  set_number(L, "duration", p->duration);
  set_count(L, "rate", p->rate);
  set_count(L, "channels", p->channels);
  set_string(L, "peaks", p->waveform);
  set_string(L, "cells", p->cells);
}

static void free_picture (Work *w) {
  picture_free(&w->of.picture);
}

/* core.picture(path, peaks, columns, rows): work that comes to a table. */
static int l_picture (lua_State *L) {
  Work *w = newwork(L, 1);
  w->make = make_picture;
  w->push = push_picture;
  w->free = free_picture;
  w->of.picture = (Picture){.peaks = (int)luaL_checknumber(L, 2),
                            .columns = (int)luaL_checknumber(L, 3),
                            .rows = (int)luaL_checknumber(L, 4),
                            .cancel = &w->cancel};
  start(w);
  return 1;
}

static int make_output (Work *w) {
  return convert(&w->of.convert, &w->fault);
}

/* The output is the caller's from now on. */
static void push_output (lua_State *L, Work *w) {
  w->free = NULL;
  lua_pushboolean(L, 1);
}

static void free_output (Work *w) {
  if (w->texts[1] != NULL)
    unlink(w->texts[1]);
}

/* core.convert(path, output, format, tags, bitrate): work that comes to true.
** There is no output if it comes to anything else. */
static int l_convert (lua_State *L) {
  Work *w = newwork(L, 4);
  w->make = make_output;
  w->push = push_output;
  w->free = free_output;
  w->of.convert = (Convert){.path = w->texts[0],
                            .output = w->texts[1],
                            .format = w->texts[2],
                            .tags = w->texts[3],
                            .bitrate = (int)luaL_checknumber(L, 5),
                            .cancel = &w->cancel};
  start(w);
  return 1;
}

static const luaL_Reg methods[] = {
  {"outcome", l_outcome}, {"close", l_close}, {NULL, NULL}};

static const luaL_Reg functions[] = {
  {"probe", l_probe},     {"overview", l_overview},
  {"picture", l_picture}, {"convert", l_convert},
  {NULL, NULL},
};

void audio_register (lua_State *L) {
  settype(L, PROBE_T, l_probe_gc);
  settype(L, WORK_T, l_close);
  luaL_getmetatable(L, WORK_T);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
  lua_newtable(L);
  for (int i = 0; convert_formats[i] != NULL; i++) {
    lua_pushstring(L, convert_formats[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "formats");
}
