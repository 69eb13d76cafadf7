/* What Lua alone cannot do and the client needs: the clock, files, URLs, and
** the format of a few bytes. */

#include "binding/handles.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "core/clock.h"
#include "core/format.h"
#include "core/url.h"

#ifdef __APPLE__
#define st_mtim st_mtimespec
#define st_ctim st_ctimespec
#endif

static int l_now (lua_State *L) {
  lua_pushnumber(L, (lua_Number)clock_ms() / 1000);
  return 1;
}

static void pushtime (lua_State *L, const struct timespec *time) {
  lua_pushnumber(L, (lua_Number)time->tv_sec + (lua_Number)time->tv_nsec / 1e9);
}

/* time() -> seconds since 1970, with their fraction */
static int l_time (lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  pushtime(L, &now);
  return 1;
}

static int pushformat (lua_State *L, const Format *format) {
  if (format == NULL)
    return 0;
  lua_pushstring(L, format->name);
  lua_pushstring(L, format->extension);
  lua_pushstring(L, format->content_type);
  lua_pushboolean(L, format->accepted);
  return 4;
}

/* detect(bytes) -> name, extension, content_type, accepted; nothing */
static int l_detect (lua_State *L) {
  size_t size;
  const char *data = luaL_checklstring(L, 1, &size);
  return pushformat(L, format_detect(data, size));
}

/* format(index) -> the same, of the index-th known format */
static int l_format (lua_State *L) {
  lua_Integer index = luaL_checkinteger(L, 1);
  return index < 1 ? 0 : pushformat(L, format_at((size_t)index - 1));
}

static const char *checkpath (lua_State *L, int index) {
  size_t size;
  const char *path = luaL_checklstring(L, index, &size);
  luaL_argcheck(L, strlen(path) == size, index, "path holds a NUL byte");
  return path;
}

static int pushfailure (lua_State *L) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(errno));
  return 2;
}

static const char *kind_of (const struct stat *info) {
  if (S_ISREG(info->st_mode))
    return "file";
  return S_ISDIR(info->st_mode) ? "folder" : "other";
}

/* stat(path) -> "file" | "folder" | "other", bytes, seconds since 1970 of the
** last change that a program may set, and that of the system; nil, reason */
static int l_stat (lua_State *L) {
  struct stat info;
  if (stat(checkpath(L, 1), &info) != 0)
    return pushfailure(L);
  lua_pushstring(L, kind_of(&info));
  camb_pushcount(L, info.st_size);
  pushtime(L, &info.st_mtim);
  pushtime(L, &info.st_ctim);
  return 4;
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

/* link(path) -> what this symbolic link says; nil, reason */
static int l_link (lua_State *L) {
  char target[256];
  ssize_t size = readlink(checkpath(L, 1), target, sizeof target);
  if (size < 0)
    return pushfailure(L);
  lua_pushlstring(L, target, (size_t)size);
  return 1;
}

/* identity(path) -> what tells this file from any other that comes under its
** name; nil, reason */
static int l_identity (lua_State *L) {
  char text[64];
  struct stat info;
  if (stat(checkpath(L, 1), &info) != 0)
    return pushfailure(L);
  snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)info.st_dev,
           (uintmax_t)info.st_ino);
  lua_pushstring(L, text);
  return 1;
}

/* What a file begins with; -1 with errno.  Without waiting for somebody to
** write, should it be a pipe. */
static int look_into (const char *path, struct stat *info,
                      const Format **format) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), reason;
  int result = fd >= 0 ? fstat(fd, info) : -1;
  *format = NULL;
  if (result == 0 && S_ISREG(info->st_mode)) {
    char byte;
    result = pread(fd, &byte, 1, 0) < 0 ? -1 : 0;
    *format = format_of_file(fd);
  }
  reason = errno;
  if (fd >= 0)
    close(fd);
  errno = reason;
  return result;
}

/* look(path) -> "file", bytes, and what detect gives; "folder" | "other"; nil,
** reason */
static int l_look (lua_State *L) {
  const char *path = checkpath(L, 1);
  const Format *format;
  struct stat info;
  if (look_into(path, &info, &format) != 0) {
    int reason = errno;
    if (stat(path, &info) != 0)
      return pushfailure(L);
    errno = reason;
    if (S_ISREG(info.st_mode))
      return pushfailure(L);
  }
  lua_pushstring(L, kind_of(&info));
  if (!S_ISREG(info.st_mode))
    return 1;
  camb_pushcount(L, info.st_size);
  return 2 + pushformat(L, format);
}

/* existing(base, other_than?) -> the path of what is there under the name
** "<base>.<extension>", a link that leads nowhere too, of any of the formats'
** extensions but for the one given; nil when there is nothing */
static int l_existing (lua_State *L) {
  const char *base = checkpath(L, 1);
  const char *other_than = luaL_optstring(L, 2, "");
  const Format *format;
  struct stat info;
  char path[PATH_MAX]; /* what is longer cannot exist */
  size_t size = strlen(base) + 1;
  if (size >= sizeof path)
    return 0;
  memcpy(path, base, size);
  path[size - 1] = '.';
  for (size_t i = 0; (format = format_at(i)) != NULL; i++) {
    size_t room = strlen(format->extension) + 1;
    if (size + room > sizeof path || strcmp(format->extension, other_than) == 0)
      continue;
    memcpy(path + size, format->extension, room);
    if (lstat(path, &info) == 0) {
      lua_pushstring(L, path);
      return 1;
    }
  }
  return 0;
}

/* make_folder(path) -> true, also when it exists; nil, reason.  One level. */
static int l_make_folder (lua_State *L) {
  const char *path = checkpath(L, 1);
  struct stat info;
  if (mkdir(path, 0777) != 0) {
    int reason = errno;
    if (reason != EEXIST || stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
      errno = reason == EEXIST ? ENOTDIR : reason;
      return pushfailure(L);
    }
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* is_program(path) -> whether it can be run */
static int l_is_program (lua_State *L) {
  const char *path = checkpath(L, 1);
  struct stat info;
  lua_pushboolean(L, stat(path, &info) == 0 && S_ISREG(info.st_mode) &&
                       access(path, X_OK) == 0);
  return 1;
}

/* real_path(path) -> the one spelling of what is there; nil, reason */
static int l_real_path (lua_State *L) {
  char path[PATH_MAX];
  if (realpath(checkpath(L, 1), path) == NULL)
    return pushfailure(L);
  lua_pushstring(L, path);
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

static int l_library (lua_State *L) {
  lua_pushstring(L, curl_version());
  return 1;
}

const luaL_Reg system_functions[] = {{"now", l_now},
                                     {"time", l_time},
                                     {"detect", l_detect},
                                     {"format", l_format},
                                     {"stat", l_stat},
                                     {"process", l_process},
                                     {"has_process", l_has_process},
                                     {"link", l_link},
                                     {"identity", l_identity},
                                     {"look", l_look},
                                     {"existing", l_existing},
                                     {"make_folder", l_make_folder},
                                     {"real_path", l_real_path},
                                     {"is_program", l_is_program},
                                     {"escape", l_escape},
                                     {"weigh", l_weigh},
                                     {"url_problem", l_url_problem},
                                     {"is_terminal", l_is_terminal},
                                     {"descriptors", l_descriptors},
                                     {"library", l_library},
                                     {NULL, NULL}};
