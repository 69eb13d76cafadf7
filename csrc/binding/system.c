/* What Lua alone cannot do and the client needs: clocks, processes, signals,
** URLs and text. */

#include "binding/handles.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/curl_build.h"
#include "core/hidden.h"
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

/* has_process(number) -> whether it exists, also if it is another user's */
static int l_has_process (lua_State *L) {
  lua_Integer number = luaL_checkinteger(L, 1);
  luaL_argcheck(L, number > 0 && number <= INT_MAX, 1, "not a process number");
  lua_pushboolean(L, kill((pid_t)number, 0) == 0 || errno != ESRCH);
  return 1;
}

/* Independent of the locale. */
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

/* weigh(json) -> an upper bound of its values; digits of its longest number.
** So the cost of decoding a text is known beforehand. */
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
  lua_pushstring(L, strlen(url) != size ? "it contains a NUL byte"
                                        : url_problem(url));
  return 1;
}

/* is_terminal(descriptor) -> whether it (default: standard error) is one */
static int l_is_terminal (lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_optinteger(L, 1, STDERR_FILENO)));
  return 1;
}

/* terminal_size() -> columns and rows of the terminal at standard error;
** nothing if it is not a terminal, or does not say */
static int l_terminal_size (lua_State *L) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return 0;
  lua_pushinteger(L, size.ws_col);
  lua_pushinteger(L, size.ws_row);
  return 2;
}

/* read_hidden(prompt) -> a line typed on the terminal, without echo; nil: there
** is no terminal.  Ctrl-C ends it, and is its last character. */
static int l_read_hidden (lua_State *L) {
  char *line = read_hidden(luaL_checkstring(L, 1));
  if (line == NULL)
    return 0;
  lua_pushstring(L, line);
  memset(line, 0, strlen(line));
  return 1;
}

/* versions() -> libcurl's own words, a list of its features */
static int l_versions (lua_State *L) {
  const char *name;
  int i;
  lua_pushstring(L, curl_build_version());
  lua_newtable(L);
  for (i = 0; (name = curl_build_feature((size_t)i)) != NULL; i++) {
    lua_pushstring(L, name);
    lua_rawseti(L, -2, i + 1);
  }
  return 2;
}

/* descriptors() -> how many this process may have open */
static int l_descriptors (lua_State *L) {
  struct rlimit limit;
  bool known =
    getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  lua_pushnumber(L, known ? (lua_Number)limit.rlim_cur : (lua_Number)HUGE_VAL);
  return 1;
}

/* Only the command handles signals: a library does not touch those of its
** process. */
static const struct {
  int number;
  const char *name;
} endings[] = {{SIGINT, "SIGINT"},
               {SIGTERM, "SIGTERM"},
               {SIGHUP, "SIGHUP"},
               {SIGQUIT, "SIGQUIT"}};
#define ENDINGS (sizeof endings / sizeof *endings)

static volatile sig_atomic_t caught = 0;
static volatile sig_atomic_t is_noticed = 0;  /* by Lua */
static volatile sig_atomic_t is_repeated = 0; /* before that */

const volatile sig_atomic_t *caught_signal (void) {
  return &caught;
}

/* What a second signal says: a handler reads the one that is not written. */
static char last_words[2][256] = {"camb: stopped at once\n", ""};
static volatile sig_atomic_t latest_words = 0;

static void handle (int number, void (*handler)(int)) {
  struct sigaction new;
  memset(&new, 0, sizeof new);
  new.sa_handler = handler;
  new.sa_flags = (int)SA_RESETHAND;
  sigemptyset(&new.sa_mask);
  sigaction(number, &new, NULL);
}

/* A terminal and a parent process may both send what was one Ctrl-C: what
** comes before the first is noticed is a part of it, but only once, as what is
** stuck will never notice. */
static void on_second (int number) {
  const char *words = last_words[latest_words];
  if (!is_noticed && !is_repeated) {
    is_repeated = 1;
    handle(number, on_second);
    return;
  }
  if (write(STDERR_FILENO, words, strlen(words)) < 0)
    (void)0; /* nobody is left to be told */
  raise(number);
}

static void on_signal (int number) {
  caught = number;
  handle(number, on_second);
}

/* A signal that is ignored, as under nohup, stays ignored unless
** 'even_ignored'. */
static void catch_one (int number, bool even_ignored) {
  struct sigaction old;
  if (sigaction(number, NULL, &old) == 0 &&
      (even_ignored || old.sa_handler != SIG_IGN))
    handle(number, on_signal);
}

/* last_words(text): what a second signal says before it ends the process; cut
** to what there is room for */
static int l_last_words (lua_State *L) {
  int other = 1 - latest_words;
  snprintf(last_words[other], sizeof *last_words, "%s", luaL_checkstring(L, 1));
  latest_words = other;
  return 0;
}

/* catch_signals(is_server): caught_signal reports the first signal of each
** kind; a second one, once the first was reported, says the last words and ends
** the process as usual.  A shell starts background programs with SIGINT and
** SIGQUIT ignored: a server catches them all the same.  Writing to a closed
** pipe, or beyond the limit of file sizes, is an error and does not end the
** process. */
static int l_catch_signals (lua_State *L) {
  bool is_server = lua_toboolean(L, 1);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  for (size_t i = 0; i < ENDINGS; i++)
    catch_one(endings[i].number, is_server && endings[i].number != SIGHUP);
  return 0;
}

/* end_on_interrupt(): the interpreter would answer Ctrl-C with a traceback, and
** only between two instructions of Lua. */
static int l_end_on_interrupt (lua_State *L) {
  (void)L;
  signal(SIGINT, SIG_DFL);
  return 0;
}

/* fill_streams(): open closed standard streams on /dev/null, or the next file
** opened would receive what is written to them. */
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

/* is_written() -> whether all that was printed is: Lua's 'print' does not say,
** and what failed once is forgotten by the next write. */
static int l_is_written (lua_State *L) {
  lua_pushboolean(L, fflush(stdout) == 0 && !ferror(stdout));
  return 1;
}

/* caught_signal() -> the name of the signal that arrived; nil: none */
static int l_caught_signal (lua_State *L) {
  for (size_t i = 0; i < ENDINGS; i++)
    if (endings[i].number == caught) {
      is_noticed = 1;
      lua_pushstring(L, endings[i].name);
      return 1;
    }
  return 0;
}

const luaL_Reg system_functions[] = {{"now", l_now},
                                     {"time", l_time},
                                     {"process", l_process},
                                     {"has_process", l_has_process},
                                     {"escape", l_escape},
                                     {"weigh", l_weigh},
                                     {"url_problem", l_url_problem},
                                     {"is_terminal", l_is_terminal},
                                     {"terminal_size", l_terminal_size},
                                     {"read_hidden", l_read_hidden},
                                     {"versions", l_versions},
                                     {"descriptors", l_descriptors},
                                     {"catch_signals", l_catch_signals},
                                     {"caught_signal", l_caught_signal},
                                     {"last_words", l_last_words},
                                     {"end_on_interrupt", l_end_on_interrupt},
                                     {"fill_streams", l_fill_streams},
                                     {"is_written", l_is_written},
                                     {NULL, NULL}};
