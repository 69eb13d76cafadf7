/* Writing a file so that nobody ever sees half of it. */

#include "partfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* libcurl gives at most 16 KiB at a time, of any length.  Whole pages written
** together cost the page cache half as much; beyond eight it has to look for
** memory in larger pieces than it has at hand, which may cost more again. */
#define GATHER (32u << 10)
#define WRITEBACK (8 << 20) /* start writing to the disk in such pieces */

static char *join (const char *base, const char *extension) {
  size_t size = strlen(base) + strlen(extension) + 2;
  char *path = malloc(size);
  if (path != NULL)
    snprintf(path, size, "%s.%s", base, extension);
  return path;
}

/* True when the part's name still stands for the file that is open, as 'info'
** describes it: another process may have finished or removed it between the
** open and the lock. */
static bool is_named (const PartFile *p, struct stat *info) {
  struct stat named;
  return fstat(p->fd, info) == 0 && lstat(p->part, &named) == 0 &&
         info->st_ino == named.st_ino && info->st_dev == named.st_dev;
}

static bool open_and_lock (PartFile *p, struct stat *info) {
  int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
  p->fd = open(p->part, flags, 0666);
  return p->fd >= 0 && flock(p->fd, LOCK_EX | LOCK_NB) == 0 &&
         is_named(p, info);
}

/* Who was killed between link() and unlink() in 'take_free_name' has left the part
** as a second name of the whole file, which is not ours to write in. */
static PartStatus open_locked (PartFile *p) {
  struct stat info;
  bool ours = open_and_lock(p, &info);
  if (ours && info.st_nlink > 1) {
    unlink(p->part);
    close(p->fd);
    ours = open_and_lock(p, &info) && info.st_nlink == 1;
  }
  if (p->fd < 0)
    return PART_ERROR;
  if (ours)
    return info.st_size == 0 || ftruncate(p->fd, 0) == 0 ? PART_OK : PART_ERROR;
  close(p->fd); /* it stays where it is */
  p->fd = -1;
  return PART_BUSY;
}

PartStatus partfile_open (PartFile *p, const char *base) {
  p->owner = getpid();
  p->base = strdup(base);
  p->part = join(base, "part");
  if (p->base == NULL || p->part == NULL) {
    errno = ENOMEM;
    return PART_ERROR;
  }
  return open_locked(p);
}

static void keep_head (PartFile *p, const void *data, size_t size) {
  size_t have = (size_t)p->size;
  if (p->size >= FORMAT_BYTES)
    return;
  if (size > FORMAT_BYTES - have)
    size = FORMAT_BYTES - have;
  memcpy(p->head + have, data, size);
}

/* Without this the sync at the end would wait for the whole file at once. */
static void start_writeback (int fd, int64_t before, int64_t after) {
#ifdef SYNC_FILE_RANGE_WRITE
  if (before / WRITEBACK != after / WRITEBACK)
    sync_file_range(fd, before / WRITEBACK * WRITEBACK, WRITEBACK,
                    SYNC_FILE_RANGE_WRITE);
#else
  (void)fd;
  (void)before;
  (void)after;
#endif
}

static PartStatus write_gathered (PartFile *p) {
  const char *from = p->gather;
  int64_t before = p->size - (int64_t)p->held;
  while (p->held > 0) {
    ssize_t n = write(p->fd, from, p->held);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return PART_ERROR;
    from += n;
    p->held -= (size_t)n;
  }
  start_writeback(p->fd, before, p->size);
  return PART_OK;
}

PartStatus partfile_write (PartFile *p, const void *data, size_t size) {
  const char *from = data;
  keep_head(p, data, size);
  if (p->gather == NULL)
    p->gather = malloc(GATHER);
  if (p->gather == NULL)
    return PART_ERROR;
  while (size > 0) {
    size_t n = size < GATHER - p->held ? size : GATHER - p->held;
    memcpy(p->gather + p->held, from, n);
    p->held += n;
    p->size += (int64_t)n;
    from += n;
    size -= n;
    if (p->held == GATHER && write_gathered(p) != PART_OK)
      return PART_ERROR;
  }
  return PART_OK;
}

PartStatus partfile_restart (PartFile *p) {
  p->size = 0;
  p->held = 0;
  if (ftruncate(p->fd, 0) != 0 || lseek(p->fd, 0, SEEK_SET) != 0)
    return PART_ERROR;
  return PART_OK;
}

/* renameat2 refuses a name that is taken.  Where the system or the file system
** does not know it, link() does, in two steps; and where there are no links
** either, a look beforehand has to do. */
static PartStatus take_free_name (const PartFile *p) {
#ifdef RENAME_NOREPLACE
  if (renameat2(AT_FDCWD, p->part, AT_FDCWD, p->path, RENAME_NOREPLACE) == 0)
    return PART_OK;
  if (errno == EEXIST)
    return PART_EXISTS;
#endif
  if (link(p->part, p->path) == 0) {
    unlink(p->part);
    return PART_OK;
  }
  if (errno == EEXIST || access(p->path, F_OK) == 0)
    return PART_EXISTS;
  return rename(p->part, p->path) == 0 ? PART_OK : PART_ERROR;
}

/* The folder is not synced: after a loss of power the file is whole, under the
** one name or the other. */
static PartStatus take_name (const PartFile *p, bool overwrite) {
  if (!overwrite)
    return take_free_name(p);
  return rename(p->part, p->path) == 0 ? PART_OK : PART_ERROR;
}

PartStatus partfile_commit (PartFile *p, bool overwrite) {
  size_t seen = p->size < FORMAT_BYTES ? (size_t)p->size : FORMAT_BYTES;
  const Format *format = format_detect(p->head, seen);
  PartStatus status;
  if (format == NULL)
    return PART_NO_AUDIO;
  p->path = join(p->base, format->extension);
  if (p->path == NULL || write_gathered(p) != PART_OK || fsync(p->fd) != 0)
    return PART_ERROR;
  status = take_name(p, overwrite);
  if (status != PART_OK)
    return status;
  close(p->fd);
  p->fd = -1;
  free(p->gather);
  p->gather = NULL;
  return PART_OK;
}

void partfile_close (PartFile *p) {
  if (p->fd >= 0) {
    if (p->owner == getpid())
      unlink(p->part);
    close(p->fd);
  }
  p->fd = -1;
  free(p->base);
  free(p->part);
  free(p->path);
  free(p->gather);
  p->base = p->part = p->path = p->gather = NULL;
  p->held = 0;
}
