/* Files as Lua sees them: their formats, folders and patterns, part files that
** are locked before a download begins, and durable appends. */

#include "binding/handles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/format.h"
#include "core/partfile.h"

#ifdef __APPLE__
#define st_mtim st_mtimespec
#define st_ctim st_ctimespec
#endif

static int pushformat (lua_State *L, const Format *format) {
  if (format == NULL)
    return 0;
  lua_pushstring(L, format->name);
  lua_pushstring(L, format->extension);
  lua_pushstring(L, format->content_type);
  lua_pushboolean(L, format->accepted);
  return 4;
}

/* detect(bytes) -> name, extension, content_type, accepted, and whether these
** are all bytes of a file without samples; nothing */
static int l_detect (lua_State *L) {
  size_t size;
  const char *data = luaL_checklstring(L, 1, &size);
  int count = pushformat(L, format_detect(data, size));
  if (count == 0)
    return 0;
  lua_pushboolean(L, format_is_hollow(data, size));
  return count + 1;
}

/* format(index) -> the same, of the index-th known format */
static int l_format (lua_State *L) {
  lua_Integer index = luaL_checkinteger(L, 1);
  return index < 1 ? 0 : pushformat(L, format_at((size_t)index - 1));
}

/* named(extension) -> the extension of its format, and whether the name alone
** marks a recording; nothing for any other extension */
static int l_named (lua_State *L) {
  bool is_recording;
  const Format *format = format_named(luaL_checkstring(L, 1), &is_recording);
  if (format == NULL)
    return 0;
  lua_pushstring(L, format->extension);
  lua_pushboolean(L, is_recording);
  return 2;
}

static const char *checkpath (lua_State *L, int index) {
  size_t size;
  const char *path = luaL_checklstring(L, index, &size);
  luaL_argcheck(L, strlen(path) == size, index, "path contains a NUL byte");
  return path;
}

static const char *kind_of (const struct stat *info) {
  if (S_ISREG(info->st_mode))
    return "file";
  return S_ISDIR(info->st_mode) ? "folder" : "other";
}

static void pushtime (lua_State *L, const struct timespec *time) {
  lua_pushnumber(L, (lua_Number)time->tv_sec + (lua_Number)time->tv_nsec / 1e9);
}

/* stat(path) -> "file" | "folder" | "other", bytes, mtime and ctime in seconds
** since 1970; nil, reason */
static int l_stat (lua_State *L) {
  struct stat info;
  if (stat(checkpath(L, 1), &info) != 0)
    return pushfailure(L, errno);
  lua_pushstring(L, kind_of(&info));
  camb_pushcount(L, info.st_size);
  pushtime(L, &info.st_mtim);
  pushtime(L, &info.st_ctim);
  return 4;
}

/* is_exposed(path) -> whether users other than its owner may read or change it;
** nil, reason */
static int l_is_exposed (lua_State *L) {
  struct stat info;
  if (stat(checkpath(L, 1), &info) != 0)
    return pushfailure(L, errno);
  lua_pushboolean(L, (info.st_mode & (S_IRWXG | S_IRWXO)) != 0);
  return 1;
}

/* has_writer(path) -> whether a process has it open for writing; only Linux can
** tell, and only the owner. */
static int l_has_writer (lua_State *L) {
#ifdef F_SETLEASE
  int fd = open(checkpath(L, 1), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  bool is_written = false;
  if (fd >= 0) {
    /* if another process opens the file now, the kernel sends us a signal; the
    ** default one would end this process */
    fcntl(fd, F_SETSIG, SIGURG);
    is_written = fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
    close(fd);
  }
  lua_pushboolean(L, is_written);
#else
  lua_pushboolean(L, false);
#endif
  return 1;
}

/* free_space(path) -> bytes that this user may still write there; nil, reason */
static int l_free_space (lua_State *L) {
  struct statvfs info;
  if (statvfs(checkpath(L, 1), &info) != 0)
    return pushfailure(L, errno);
  lua_pushnumber(L, (lua_Number)info.f_bavail * (lua_Number)info.f_frsize);
  return 1;
}

/* link(path) -> the target of this symbolic link; nil, reason */
static int l_link (lua_State *L) {
  char target[256];
  ssize_t size = readlink(checkpath(L, 1), target, sizeof target);
  if (size < 0)
    return pushfailure(L, errno);
  lua_pushlstring(L, target, (size_t)size);
  return 1;
}

/* identity(path) -> what distinguishes this file from any later one of its
** name; nil, reason */
static int l_identity (lua_State *L) {
  char text[64];
  struct stat info;
  if (stat(checkpath(L, 1), &info) != 0)
    return pushfailure(L, errno);
  snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)info.st_dev,
           (uintmax_t)info.st_ino);
  lua_pushstring(L, text);
  return 1;
}

/* The first bytes of a file; -1 with errno.  It never blocks on a pipe that has
** no writer. */
static int look_into (const char *path, struct stat *info,
                      const Format **format, bool *hollow) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), reason;
  int result = fd >= 0 ? fstat(fd, info) : -1;
  *format = NULL;
  *hollow = false;
  if (result == 0 && S_ISREG(info->st_mode)) {
    char byte;
    result = pread(fd, &byte, 1, 0) < 0 ? -1 : 0;
    *format = format_of_file(fd);
    *hollow = format_is_hollow_file(fd);
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
  bool hollow;
  int count;
  if (look_into(path, &info, &format, &hollow) != 0) {
    int reason = errno;
    if (stat(path, &info) != 0)
      return pushfailure(L, errno);
    errno = reason;
    if (S_ISREG(info.st_mode))
      return pushfailure(L, errno);
  }
  lua_pushstring(L, kind_of(&info));
  if (!S_ISREG(info.st_mode))
    return 1;
  camb_pushcount(L, info.st_size);
  count = pushformat(L, format);
  if (count == 0)
    return 2;
  lua_pushboolean(L, hollow);
  return 2 + count + 1;
}

/* existing(base, other_than?) -> the path of an existing "<base>.<extension>",
** even a dangling link, for the extension of any format but 'other_than'; nil
** if there is none */
static int l_existing (lua_State *L) {
  const char *base = checkpath(L, 1);
  const char *other_than = luaL_optstring(L, 2, "");
  const Format *format;
  struct stat info;
  char path[PATH_MAX]; /* a longer path cannot exist */
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

/* make_folder(path, is_private) -> true, also when it exists; nil, reason.  One
** level. */
static int l_make_folder (lua_State *L) {
  const char *path = checkpath(L, 1);
  struct stat info;
  if (mkdir(path, lua_toboolean(L, 2) ? 0700 : 0777) != 0) {
    int reason = errno;
    if (reason != EEXIST || stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
      errno = reason == EEXIST ? ENOTDIR : reason;
      return pushfailure(L, errno);
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

/* real_path(path) -> its canonical path; nil, reason */
static int l_real_path (lua_State *L) {
  char path[PATH_MAX];
  if (realpath(checkpath(L, 1), path) == NULL)
    return pushfailure(L, errno);
  lua_pushstring(L, path);
  return 1;
}

static int is_entry (const struct dirent *entry) {
  return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* In bytes' order, which is the same in every locale. */
static int compare (const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

/* A link counts as itself, so that a walk does not go round in circles. */
static bool is_folder (const char *path, const char *name) {
  struct stat info;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool folder = fd >= 0 && fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISDIR(info.st_mode);
  if (fd >= 0)
    close(fd);
  return folder;
}

typedef struct Listing {
  struct dirent **entries;
  int count;
} Listing;

static int l_free_listing (lua_State *L) {
  Listing *l = lua_touserdata(L, 1);
  while (l->count > 0)
    free(l->entries[--l->count]);
  free(l->entries);
  l->entries = NULL;
  return 0;
}

/* An owner for scandir's memory, should a push raise. */
static Listing *newlisting (lua_State *L) {
  Listing *l = lua_newuserdatauv(L, sizeof *l, 0);
  l->entries = NULL;
  l->count = 0;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, l_free_listing);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  return l;
}

/* list_folder(path) -> names in bytes' order, and by name whether it is a
** folder; nil, reason */
static int l_list_folder (lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  Listing *l = newlisting(L);
  int i, count = scandir(path, &l->entries, is_entry, compare);
  if (count < 0)
    return pushfailure(L, errno);
  l->count = count;
  lua_createtable(L, count, 0);
  lua_newtable(L);
  for (i = 0; i < count; i++) {
    const struct dirent *entry = l->entries[i];
    lua_pushstring(L, entry->d_name);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -4, i + 1);
    if (entry->d_type == DT_DIR ||
        (entry->d_type == DT_UNKNOWN && is_folder(path, entry->d_name))) {
      lua_pushboolean(L, 1);
      lua_rawset(L, -3);
    } else {
      lua_pop(L, 1);
    }
  }
  return 2;
}

/* matches(pattern, name) -> whether the name matches the shell's pattern, in
** which a leading period must be explicit */
static int l_matches (lua_State *L) {
  lua_pushboolean(L, fnmatch(luaL_checkstring(L, 1), luaL_checkstring(L, 2),
                             FNM_PERIOD) == 0);
  return 1;
}

static bool is_named (int fd, const char *path) {
  struct stat open, named;
  return fstat(fd, &open) == 0 && stat(path, &named) == 0 &&
         open.st_ino == named.st_ino && open.st_dev == named.st_dev;
}

/* Open the file, and lock it if its file system has locks; another process may
** remove it between the open and the lock.  -1 with errno. */
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

/* A line that a kill cut short stays on a line of its own. */
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

/* append(path, line) -> true once it is on the disk; nil, reason */
static int l_append (lua_State *L) {
  size_t size;
  const char *path = luaL_checkstring(L, 1);
  const char *line = luaL_checklstring(L, 2, &size);
  int fd = open_locked(path, O_CREAT | O_APPEND), reason = 0;
  if (fd < 0 || add(fd, line, size) != 0)
    reason = errno;
  if (fd >= 0)
    close(fd);
  if (reason != 0)
    return pushfailure(L, reason);
  lua_pushboolean(L, 1);
  return 1;
}

/* 0, or an errno; only the owner can read the file, from the start. */
static int write_new (const char *path, const char *data, size_t size) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  int reason = 0;
  if (fd < 0)
    return errno;
  if (!write_all(fd, data, size) || sync_file(fd) < 0)
    reason = errno;
  close(fd);
  return reason;
}

/* write_private(path, text) -> true; nil, reason.  Replaces the file at once or
** not at all; only its owner may read it. */
static int l_write_private (lua_State *L) {
  size_t size;
  const char *path = checkpath(L, 1);
  const char *text = luaL_checklstring(L, 2, &size);
  const char *beside = lua_pushfstring(L, "%s.new", path);
  int reason;
  unlink(beside);
  reason = write_new(beside, text, size);
  if (reason == 0 && rename(beside, path) != 0)
    reason = errno;
  if (reason != 0) {
    unlink(beside);
    return pushfailure(L, reason);
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* part(base, needs_room) -> "<base>.part", open and locked; nil, reason, whether
** another process is writing it.  Without a base: a private file in TMPDIR. */
static int l_part (lua_State *L) {
  size_t size = 0;
  const char *base = luaL_optlstring(L, 1, NULL, &size);
  PartFile *p = lua_newuserdatauv(L, sizeof *p, 0);
  PartStatus status;
  const char *reason;
  partfile_clear(p);
  luaL_setmetatable(L, PART_T);
  luaL_argcheck(L, base == NULL || strlen(base) == size, 1,
                "path contains a NUL byte");
  status = base != NULL ? partfile_open(p, base) : partfile_open_private(p);
  if (status == PART_OK && lua_toboolean(L, 2))
    status = partfile_try(p);
  if (status == PART_OK)
    return 1;
  reason = status == PART_FOREIGN ? "a file of that name is not camb's"
                                  : strerror(errno);
  lua_pushnil(L);
  lua_pushstring(L, reason);
  lua_pushboolean(L, status == PART_BUSY);
  partfile_close(p);
  return 3;
}

PartFile *checkpart (lua_State *L, int index) {
  PartFile *p = luaL_checkudata(L, index, PART_T);
  luaL_argcheck(L, p->fd >= 0, index, "part is closed");
  return p;
}

static int l_close_part (lua_State *L) {
  partfile_close(luaL_checkudata(L, 1, PART_T));
  return 0;
}

static const luaL_Reg part_methods[] = {{"close", l_close_part}, {NULL, NULL}};

void register_part (lua_State *L) {
  newtype(L, PART_T, part_methods, l_close_part, NULL);
}

/* says_full(words) -> whether they have the system's reason that a disk is full
*/
static int l_says_full (lua_State *L) {
  const char *words = luaL_checkstring(L, 1);
  lua_pushboolean(L, strstr(words, strerror(ENOSPC)) != NULL ||
                       strstr(words, strerror(EDQUOT)) != NULL);
  return 1;
}

const luaL_Reg file_functions[] = {{"detect", l_detect},
                                   {"format", l_format},
                                   {"named", l_named},
                                   {"stat", l_stat},
                                   {"is_exposed", l_is_exposed},
                                   {"free_space", l_free_space},
                                   {"says_full", l_says_full},
                                   {"has_writer", l_has_writer},
                                   {"link", l_link},
                                   {"identity", l_identity},
                                   {"look", l_look},
                                   {"existing", l_existing},
                                   {"make_folder", l_make_folder},
                                   {"real_path", l_real_path},
                                   {"is_program", l_is_program},
                                   {"list_folder", l_list_folder},
                                   {"matches", l_matches},
                                   {"part", l_part},
                                   {"append", l_append},
                                   {"write_private", l_write_private},
                                   {NULL, NULL}};
