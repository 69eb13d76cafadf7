/* A file to which whole lines are added durably, by any number of processes. */

#include "binding/handles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sync.h"

static bool is_named (int fd, const char *path) {
  struct stat open, named;
  return fstat(fd, &open) == 0 && stat(path, &named) == 0 &&
         open.st_ino == named.st_ino && open.st_dev == named.st_dev;
}

/* The file, locked where that can be done; another process may remove it
** between the open and the lock.  -1 with errno. */
static int open_locked (const char *path, int flags) {
  int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | flags, 0600);
  while (fd >= 0) {
    while (flock(fd, LOCK_EX) != 0 && errno == EINTR)
      continue;
    if (is_named(fd, path))
      break;
    close(fd);
    fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | flags, 0600);
  }
  return fd;
}

static bool write_all (int fd, const char *data, size_t size) {
  while (size > 0) {
    ssize_t n = write(fd, data, size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return false;
    data += n;
    size -= (size_t)n;
  }
  return true;
}

/* What was cut short by a kill stays a line of its own. */
static bool end_line (int fd, off_t size) {
  char last = '\n';
  return size == 0 || (pread(fd, &last, 1, size - 1) == 1 &&
                       (last == '\n' || write_all(fd, "\n", 1)));
}

/* All of it or nothing; -1 with errno. */
static int add (int fd, const char *line, size_t size) {
  struct stat info;
  int reason;
  if (fstat(fd, &info) != 0)
    return -1;
  if (!S_ISREG(info.st_mode)) {
    errno = EINVAL;
    return -1;
  }
  if (end_line(fd, info.st_size) && write_all(fd, line, size) &&
      sync_file(fd) >= 0)
    return 0;
  reason = errno;
  if (ftruncate(fd, info.st_size) == 0)
    fsync(fd);
  errno = reason;
  return -1;
}

static int pusherrno (lua_State *L, int error) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(error));
  return 2;
}

/* append(path, line) -> true once it is on the disk; nil, reason */
int l_append (lua_State *L) {
  size_t size;
  const char *path = luaL_checkstring(L, 1);
  const char *line = luaL_checklstring(L, 2, &size);
  int fd = open_locked(path, O_CREAT | O_APPEND), reason = 0;
  if (fd < 0 || add(fd, line, size) != 0)
    reason = errno;
  if (fd >= 0)
    close(fd);
  if (reason != 0)
    return pusherrno(L, reason);
  lua_pushboolean(L, 1);
  return 1;
}

/* remove_read(path, size): remove it, unless it holds more than 'size' bytes
** by now */
int l_remove_read (lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_Number size = luaL_checknumber(L, 2);
  int fd = open_locked(path, 0);
  struct stat info;
  if (fd >= 0 && fstat(fd, &info) == 0 && (lua_Number)info.st_size == size)
    unlink(path);
  if (fd >= 0)
    close(fd);
  return 0;
}
