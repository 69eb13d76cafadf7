/* Folders and small files. */

#include "engine/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *files_join (const char *folder, const char *name) {
  size_t size = strlen(folder) + strlen(name) + 2;
  char *path = malloc(size);
  if (path != NULL)
    snprintf(path, size, "%s/%s", folder, name);
  return path;
}

static int make_folder (const char *path) {
  struct stat st;
  if (mkdir(path, 0700) == 0)
    return 0;
  if (errno != EEXIST)
    return -1;
  if (stat(path, &st) != 0)
    return -1;
  errno = ENOTDIR;
  return S_ISDIR(st.st_mode) ? 0 : -1;
}

bool files_is_folder (const char *path) {
  struct stat st;
  return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int files_mkdirs (const char *path) {
  char *copy = strdup(path);
  int result = copy == NULL ? -1 : 0;
  for (char *p = copy; result == 0 && *p != '\0'; p++) {
    if (*p != '/' || p == copy)
      continue;
    *p = '\0';
    result = make_folder(copy);
    *p = '/';
  }
  if (result == 0)
    result = make_folder(copy);
  free(copy);
  return result;
}

int files_write (int fd, const void *bytes, size_t n) {
  const char *at = bytes;
  while (n > 0) {
    ssize_t written = write(fd, at, n);
    if (written < 0 && errno != EINTR)
      return -1;
    if (written > 0) {
      at += written;
      n -= (size_t)written;
    }
  }
  return 0;
}

/* Closing may fail on its own, so its result counts as the write's. */
static int write_new (const char *path, const void *bytes, size_t n,
                      bool sync) {
  int result;
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0)
    return -1;
  result = files_write(fd, bytes, n);
  if (result == 0 && sync)
    result = fsync(fd);
  return close(fd) == 0 ? result : -1;
}

int files_sync_folder (const char *path) {
  int result, fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return -1;
  result = fsync(fd);
  close(fd);
  return result;
}

int files_replace (const char *folder, const char *name, const void *bytes,
                   size_t n, bool sync) {
  int result = -1;
  char *whole = files_join(folder, name);
  char *part = whole == NULL ? NULL : malloc(strlen(whole) + 5);
  if (part != NULL) {
    sprintf(part, "%s.new", whole);
    result = write_new(part, bytes, n, sync);
    if (result == 0)
      result = rename(part, whole);
    if (result != 0) {
      int why = errno;
      unlink(part);
      errno = why;
    } else if (sync)
      result = files_sync_folder(folder);
  }
  free(part);
  free(whole);
  return result;
}

static int remove_one (const char *path, const struct stat *st, int flag,
                       struct FTW *ftw) {
  (void)st;
  (void)flag;
  (void)ftw;
  remove(path);
  return 0;
}

void files_remove_tree (const char *path) {
  nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
