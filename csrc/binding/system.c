/* What Lua alone cannot do and the client needs: clocks, processes, signals,
** URLs and text. */

#include "binding/handles.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/timers.h"
#include "core/url.h"

static int l_now (lua_State *L) {
  lua_pushnumber(L, (lua_Number)clock_ms() / 1000);
  return 1;
}

/* time() -> seconds since 1970, with their fraction */
static int l_time (lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
  return 1;
}

/* process() -> this process's number */
static int l_process (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getpid());
  return 1;
}

/* has_process(number) -> whether there is one, whoever may look at it */
static int l_has_process (lua_State *L) {
  lua_Integer number = luaL_checkinteger(L, 1);
  luaL_argcheck(L, number > 0 && number <= INT_MAX, 1, "no process's number");
  lua_pushboolean(L, kill((pid_t)number, 0) == 0 || errno != ESRCH);
  return 1;
}

/* Whatever the locale is. */
static bool is_unreserved (unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

/* escape(text) -> percent-encoded for one segment of a path (RFC 3986 2.3) */
static int l_escape (lua_State *L) {
  static const char digits[] = "0123456789ABCDEF";
  size_t size;
  const char *c = luaL_checklstring(L, 1, &size), *end = c + size;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (; c < end; c++) {
    unsigned char byte = (unsigned char)*c;
    if (is_unreserved(byte)) {
      luaL_addchar(&b, *c);
    } else {
      luaL_addchar(&b, '%');
      luaL_addchar(&b, digits[byte >> 4]);
      luaL_addchar(&b, digits[byte & 15]);
    }
  }
  luaL_pushresult(&b);
  return 1;
}

/* Behind the string that begins at 'c', or the end. */
static const char *skip_string (const char *c, const char *end) {
  for (c++; c < end && *c != '"'; c++)
    if (*c == '\\' && c + 1 < end)
      c++;
  return c < end ? c + 1 : end;
}

/* weigh(json) -> values, at the most; digits of the longest number.  What it
** costs to decode a text is known before. */
static int l_weigh (lua_State *L) {
  size_t size, values = 1, row = 0, digits = 0;
  const char *c = luaL_checklstring(L, 1, &size), *end = c + size;
  while (c < end) {
    row = *c >= '0' && *c <= '9' ? row + 1 : 0;
    digits = row > digits ? row : digits;
    values += *c == ',' || *c == '[' || *c == '{';
    c = *c == '"' ? skip_string(c, end) : c + 1;
  }
  camb_pushcount(L, (long long)values);
  camb_pushcount(L, (long long)digits);
  return 2;
}

/* url_problem(url) -> nil, or why it may not be requested */
static int l_url_problem (lua_State *L) {
  size_t size;
  const char *url = luaL_checklstring(L, 1, &size);
  lua_pushstring(L, strlen(url) != size ? "it holds a NUL byte"
                                        : url_problem(url));
  return 1;
}

/* is_terminal() -> whether standard error is one */
static int l_is_terminal (lua_State *L) {
  lua_pushboolean(L, isatty(STDERR_FILENO));
  return 1;
}

/* descriptors() -> how many this process may have open */
static int l_descriptors (lua_State *L) {
  struct rlimit limit;
  bool known =
    getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  lua_pushnumber(L, known ? (lua_Number)limit.rlim_cur : (lua_Number)HUGE_VAL);
  return 1;
}

/* Signals are for the command, which may be interrupted, and nobody else: a
** library does not touch the signals of its process. */
static void endings (sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGINT);
  sigaddset(set, SIGTERM);
  sigaddset(set, SIGHUP);
}

/* hold_signals(): keep SIGINT, SIGTERM and SIGHUP for wait_signal; threads that
** are started later inherit that. */
static int l_hold_signals (lua_State *L) {
  sigset_t set;
  (void)L;
  endings(&set);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  return 0;
}

/* wait_signal() -> the number of the one that came */
static int l_wait_signal (lua_State *L) {
  sigset_t set;
  int number = 0;
  endings(&set);
  while (sigwait(&set, &number) != 0)
    continue;
  lua_pushinteger(L, number);
  return 1;
}

static volatile sig_atomic_t caught = 0;

static void on_signal (int number) {
  caught = number;
}

/* One that is ignored, as by nohup, stays so. */
static void catch_one (int number) {
  struct sigaction old, new;
  memset(&new, 0, sizeof new);
  new.sa_handler = on_signal;
  new.sa_flags = (int)SA_RESETHAND;
  sigemptyset(&new.sa_mask);
  if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
    sigaction(number, &new, NULL);
}

/* catch_signals(): the first SIGINT, SIGTERM and SIGHUP are for caught_signal;
** a second one ends the process as ever.  Writing to a pipe nobody reads, or
** beyond the size that a file may have, is an error and no end. */
static int l_catch_signals (lua_State *L) {
  (void)L;
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  catch_one(SIGINT);
  catch_one(SIGTERM);
  catch_one(SIGHUP);
  return 0;
}

/* fill_streams(): standard streams that are closed lead to /dev/null, or what
** is opened next would get what is written to them. */
static int l_fill_streams (lua_State *L) {
  int fd;
  (void)L;
  do
    fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0)
    close(fd);
  return 0;
}

/* caught_signal() -> the name of the one that came; nil: none */
static int l_caught_signal (lua_State *L) {
  if (caught == 0)
    return 0;
  lua_pushstring(L, caught == SIGINT    ? "SIGINT"
                    : caught == SIGTERM ? "SIGTERM"
                                        : "SIGHUP");
  return 1;
}

const luaL_Reg system_functions[] = {{"now", l_now},
                                     {"time", l_time},
                                     {"process", l_process},
                                     {"has_process", l_has_process},
                                     {"escape", l_escape},
                                     {"weigh", l_weigh},
                                     {"url_problem", l_url_problem},
                                     {"is_terminal", l_is_terminal},
                                     {"descriptors", l_descriptors},
                                     {"hold_signals", l_hold_signals},
                                     {"wait_signal", l_wait_signal},
                                     {"catch_signals", l_catch_signals},
                                     {"caught_signal", l_caught_signal},
                                     {"fill_streams", l_fill_streams},
                                     {NULL, NULL}};
