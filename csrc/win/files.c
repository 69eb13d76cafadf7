/* Windows: files by UTF-8 names, open so that others may rename and remove
** them. */

#include "win/port_private.h"

#include <limits.h>
#include <stdarg.h>
#include <wctype.h>

#define SHARED (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
/* Between Windows' time, in 100 ns from 1601, and POSIX'. */
#define EPOCH 11644473600LL

static HANDLE handle (int fd) {
  return (HANDLE)_get_osfhandle(fd);
}

static DWORD creation (int flags) {
  if ((flags & O_CREAT) == 0)
    return OPEN_EXISTING;
  return (flags & O_EXCL) != 0 ? CREATE_NEW : OPEN_ALWAYS;
}

static DWORD access_of (int flags) {
  if ((flags & O_RDWR) != 0)
    return GENERIC_READ | GENERIC_WRITE;
  return (flags & O_WRONLY) != 0 ? GENERIC_WRITE : GENERIC_READ;
}

/* Windows denies access to a folder that is opened as a file. */
static int fail_to_open (const wchar_t *path) {
  DWORD error = GetLastError(), attributes = GetFileAttributesW(path);
  if (attributes != INVALID_FILE_ATTRIBUTES &&
      (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) {
    errno = EISDIR;
    return -1;
  }
  SetLastError(error);
  return fail();
}

int camb_open (const char *path, int flags, ...) {
  wchar_t *w = wide(strcmp(path, "/dev/null") == 0 ? "NUL" : path);
  HANDLE h;
  int fd;
  if (w == NULL)
    return -1;
  h = CreateFileW(w, access_of(flags), SHARED, NULL, creation(flags),
                  FILE_ATTRIBUTE_NORMAL, NULL);
  fd = h == INVALID_HANDLE_VALUE ? fail_to_open(w) : 0;
  free(w);
  if (fd < 0)
    return fd;
  fd = _open_osfhandle((intptr_t)h, (flags & (O_RDWR | O_WRONLY | O_APPEND)) |
                                      O_BINARY | O_NOINHERIT);
  if (fd < 0)
    CloseHandle(h);
  return fd;
}

static struct timespec time_of (FILETIME at) {
  int64_t ticks = ((int64_t)at.dwHighDateTime << 32) | at.dwLowDateTime;
  struct timespec time = {(time_t)(ticks / 10000000 - EPOCH),
                          (long)(ticks % 10000000 * 100)};
  return time;
}

/* Whether others may read a file is not said by its mode: it is its owner's. */
static unsigned mode_of (HANDLE h, DWORD attributes) {
  if (GetFileType(h) != FILE_TYPE_DISK)
    return S_IFCHR | 0600;
  return (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0 ? S_IFDIR | 0700
                                                      : S_IFREG | 0600;
}

static int describe (HANDLE h, struct camb_stat *info) {
  BY_HANDLE_FILE_INFORMATION about;
  memset(info, 0, sizeof *info);
  memset(&about, 0, sizeof about);
  if (!GetFileInformationByHandle(h, &about) &&
      GetFileType(h) == FILE_TYPE_DISK)
    return fail();
  info->st_dev = about.dwVolumeSerialNumber;
  info->st_ino = ((uint64_t)about.nFileIndexHigh << 32) | about.nFileIndexLow;
  info->st_mode = mode_of(h, about.dwFileAttributes);
  info->st_nlink = about.nNumberOfLinks;
  info->st_size = ((int64_t)about.nFileSizeHigh << 32) | about.nFileSizeLow;
  info->st_mtim = info->st_ctim = time_of(about.ftLastWriteTime);
  return 0;
}

static int describe_path (const char *path, struct camb_stat *info,
                          DWORD more) {
  wchar_t *w = wide(strncmp(path, "/proc/", 6) == 0 ? "" : path);
  HANDLE h;
  int status;
  if (w == NULL)
    return -1;
  h = CreateFileW(w, FILE_READ_ATTRIBUTES, SHARED, NULL, OPEN_EXISTING,
                  FILE_FLAG_BACKUP_SEMANTICS | more, NULL);
  free(w);
  if (h == INVALID_HANDLE_VALUE)
    return fail();
  status = describe(h, info);
  CloseHandle(h);
  return status;
}

int camb_stat (const char *path, struct camb_stat *info) {
  return describe_path(path, info, 0);
}

int camb_lstat (const char *path, struct camb_stat *info) {
  return describe_path(path, info, FILE_FLAG_OPEN_REPARSE_POINT);
}

int camb_fstat (int fd, struct camb_stat *info) {
  return describe(handle(fd), info);
}

static bool is_program (const char *path) {
  size_t size = strlen(path);
  return size > 4 && (_stricmp(path + size - 4, ".exe") == 0 ||
                      _stricmp(path + size - 4, ".bat") == 0 ||
                      _stricmp(path + size - 4, ".cmd") == 0);
}

/* A folder says who may write in it by lists, which only an attempt to write
** reads as the system does. */
int camb_access (const char *path, int mode) {
  struct camb_stat info;
  if (camb_stat(path, &info) != 0)
    return -1;
  if (mode == 1 && !S_ISDIR(info.st_mode) && !is_program(path)) { /* X_OK */
    errno = EACCES;
    return -1;
  }
  return 0;
}

static int done (BOOL ok, wchar_t *a, wchar_t *b) {
  int status = ok ? 0 : a != NULL && b != NULL ? fail() : -1;
  free(a);
  if (b != a)
    free(b);
  return status;
}

int camb_mkdir (const char *path, int mode) {
  wchar_t *w = wide(path);
  (void)mode;
  return done(w != NULL && CreateDirectoryW(w, NULL), w, w);
}

int camb_unlink (const char *path) {
  wchar_t *w = wide(path);
  return done(w != NULL && DeleteFileW(w), w, w);
}

int camb_link (const char *from, const char *to) {
  wchar_t *a = wide(from), *b = wide(to);
  return done(a && b && CreateHardLinkW(b, a, NULL), a, b);
}

static int move (const char *from, const char *to, DWORD flags) {
  wchar_t *a = wide(from), *b = wide(to);
  return done(a && b && MoveFileExW(a, b, flags | MOVEFILE_WRITE_THROUGH), a,
              b);
}

int camb_rename (const char *from, const char *to) {
  return move(from, to, MOVEFILE_REPLACE_EXISTING);
}

int renameat2 (int from_folder, const char *from, int to_folder, const char *to,
               unsigned flags) {
  (void)from_folder;
  (void)to_folder;
  (void)flags; /* RENAME_NOREPLACE */
  return move(from, to, 0);
}

ssize_t camb_readlink (const char *path, char *target, size_t room) {
  (void)path;
  (void)target;
  (void)room;
  errno = EINVAL;
  return -1;
}

/* As camb writes paths, and without what makes a long one possible. */
static char *plain (wchar_t *path, char *result) {
  wchar_t *c = path;
  if (wcsncmp(path, L"\\\\?\\UNC\\", 8) == 0) {
    c = path + 6;
    *c = L'\\';
  } else if (wcsncmp(path, L"\\\\?\\", 4) == 0) {
    c = path + 4;
  }
  path = c;
  for (; *c != L'\0'; c++)
    if (*c == L'\\')
      *c = L'/';
  if (narrow(path, result, PATH_MAX))
    return result;
  errno = ENAMETOOLONG;
  return NULL;
}

char *realpath (const char *path, char *result) {
  wchar_t real[WIDE_PATH], *w = wide(path);
  HANDLE h;
  DWORD size;
  if (w == NULL)
    return NULL;
  h = CreateFileW(w, FILE_READ_ATTRIBUTES, SHARED, NULL, OPEN_EXISTING,
                  FILE_FLAG_BACKUP_SEMANTICS, NULL);
  free(w);
  size = h != INVALID_HANDLE_VALUE
           ? GetFinalPathNameByHandleW(h, real, WIDE_PATH, 0)
           : 0;
  if (size == 0 || size >= WIDE_PATH)
    fail();
  if (h != INVALID_HANDLE_VALUE)
    CloseHandle(h);
  return size > 0 && size < WIDE_PATH ? plain(real, result) : NULL;
}

ssize_t pread (int fd, void *to, size_t size, off_t at) {
  OVERLAPPED where;
  DWORD n = 0;
  int64_t before = _lseeki64(fd, 0, SEEK_CUR);
  memset(&where, 0, sizeof where);
  where.Offset = (DWORD)at;
  where.OffsetHigh = (DWORD)(at >> 32);
  if (!ReadFile(handle(fd), to, (DWORD)size, &n, &where) &&
      GetLastError() != ERROR_HANDLE_EOF)
    return fail();
  _lseeki64(fd, before, SEEK_SET); /* which ReadFile has moved */
  return (ssize_t)n;
}

int camb_ftruncate (int fd, off_t size) {
  int64_t before = _lseeki64(fd, 0, SEEK_CUR);
  int error = _chsize_s(fd, size);
  _lseeki64(fd, before, SEEK_SET);
  if (error != 0)
    errno = error;
  return error != 0 ? -1 : 0;
}

int fsync (int fd) {
  return FlushFileBuffers(handle(fd)) ? 0 : fail();
}
