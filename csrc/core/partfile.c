/* Writing a file so that no process ever sees half of it. */

#include "partfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#define COMPARE (8u << 10)
#define TRIED (4u << 10)    /* the least that any stem needs of a disk */
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

/* Some file systems have no locks. */
static bool lock (PartFile *p) {
  if (flock(p->fd, LOCK_EX | LOCK_NB) == 0)
    return true;
  if (errno == EWOULDBLOCK || errno == EACCES)
    return false;
  p->lacks |= PART_LACKS_LOCK;
  return true;
}

/* Without O_NONBLOCK a pipe of that name would block until it has a reader. */
static bool open_and_lock (PartFile *p, int more, struct stat *info) {
  int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  p->fd = open(p->part, flags | more, 0666);
  return p->fd >= 0 && lock(p) && is_named(p, info);
}

/* An old part can be opened even in a folder in which names can no longer be
** created. */
static bool may_name (const char *base) {
  const char *slash = strrchr(base, '/');
  char folder[PATH_MAX] = ".";
  size_t size = slash != NULL ? (size_t)(slash - base) + 1 : 0;
  if (size >= sizeof folder) {
    errno = ENAMETOOLONG;
    return false;
  }
  if (size != 0) {
    memcpy(folder, base, size);
    folder[size] = '\0';
  }
  return access(folder, W_OK | X_OK) == 0;
}

/* The part of a killed process is empty or begins like a stem, as nothing else
** is ever written; any other file of that name is not ours. */
static bool is_a_part (const PartFile *p, const struct stat *info) {
  return S_ISREG(info->st_mode) &&
         (info->st_size == 0 || format_of_file(p->fd) != NULL);
}

static PartStatus refuse (PartFile *p, PartStatus status) {
  if (p->fd >= 0)
    close(p->fd); /* it stays where it is */
  p->fd = -1;
  return status;
}

/* A process killed between link() and unlink() in 'take_free_name' left the
** part as a second name of the whole file, which must not be written to.
** Without locks another process may be writing it: it loses the name here, and
** notices that before it gives the final one. */
static PartStatus open_locked (PartFile *p) {
  struct stat info;
  bool ours = open_and_lock(p, 0, &info);
  if (p->fd < 0)
    return PART_ERROR;
  if (ours && !is_a_part(p, &info))
    return refuse(p, PART_FOREIGN);
  if (ours && (info.st_nlink > 1 || (p->lacks & PART_LACKS_LOCK) != 0)) {
    unlink(p->part);
    close(p->fd);
    ours = open_and_lock(p, O_EXCL, &info) && info.st_nlink == 1;
  }
  if (p->fd < 0)
    return errno == EEXIST ? PART_BUSY : PART_ERROR;
  if (ours)
    return info.st_size == 0 || ftruncate(p->fd, 0) == 0 ? PART_OK : PART_ERROR;
  return refuse(p, PART_BUSY);
}

void partfile_clear (PartFile *p) {
  memset(p, 0, sizeof *p);
  p->fd = -1;
}

PartStatus partfile_open (PartFile *p, const char *base) {
  p->owner = getpid();
  p->base = strdup(base);
  p->part = join(base, "part");
  if (p->base == NULL || p->part == NULL) {
    errno = ENOMEM;
    return PART_ERROR;
  }
  return may_name(base) ? open_locked(p) : PART_ERROR;
}

/* A file without a name disappears with the process.  On systems where no name
** leads back to an open descriptor, it keeps its name until it is closed. */
static bool take_name_away (PartFile *p, const char *name) {
  char path[32];
  struct stat info;
  snprintf(path, sizeof path, "/proc/self/fd/%d", p->fd);
  p->path = strdup(stat(path, &info) == 0 ? path : name);
  if (p->path == NULL || strcmp(p->path, path) == 0)
    unlink(name);
  return p->path != NULL;
}

PartStatus partfile_open_private (PartFile *p) {
  const char *folder = getenv("TMPDIR");
  char name[PATH_MAX];
  p->is_private = true;
  p->owner = getpid();
  if (folder == NULL || *folder == '\0')
    folder = "/tmp";
  if (snprintf(name, sizeof name, "%s/camb-XXXXXX", folder) >= PATH_MAX) {
    errno = ENAMETOOLONG;
    return PART_ERROR;
  }
  p->fd = mkostemp(name, O_CLOEXEC);
  if (p->fd < 0)
    return PART_ERROR;
  if (take_name_away(p, name))
    return PART_OK;
  errno = ENOMEM;
  return PART_ERROR;
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

/* Nothing but audio is written to the file: see 'is_a_part'. */
static PartStatus write_gathered (PartFile *p) {
  const char *from = p->gather;
  int64_t before = p->size - (int64_t)p->held;
  if (before == 0 && format_detect(p->gather, p->held) == NULL)
    return PART_NO_AUDIO;
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
  PartStatus status = PART_OK;
  if (p->gather == NULL)
    p->gather = malloc(GATHER);
  if (p->gather == NULL)
    return PART_ERROR;
  while (size > 0 && status == PART_OK) {
    size_t n = size < GATHER - p->held ? size : GATHER - p->held;
    memcpy(p->gather + p->held, from, n);
    p->held += n;
    p->size += (int64_t)n;
    from += n;
    size -= n;
    status = p->held == GATHER ? write_gathered(p) : PART_OK;
  }
  return status;
}

bool partfile_is_audio (const PartFile *p) {
  return p->size > (int64_t)p->held ||
         format_detect(p->gather, p->held) != NULL;
}

PartStatus partfile_restart (PartFile *p) {
  p->size = 0;
  p->held = 0;
  if (ftruncate(p->fd, 0) != 0 || lseek(p->fd, 0, SEEK_SET) != 0)
    return PART_ERROR;
  return PART_OK;
}

/* A killed process may leave the block: see 'is_a_part'. */
PartStatus partfile_try (PartFile *p) {
  static const char block[TRIED] = "fLaC";
  ssize_t n;
  do
    n = write(p->fd, block, sizeof block);
  while (n < 0 && errno == EINTR);
  return n < 0 ? PART_ERROR : partfile_restart(p);
}

/* If a network file system loses the reply to link() and repeats the call, the
** repetition finds the name taken by this very file. */
static bool is_linked (const PartFile *p) {
  struct stat file, named;
  return fstat(p->fd, &file) == 0 && lstat(p->path, &named) == 0 &&
         file.st_ino == named.st_ino && file.st_dev == named.st_dev;
}

/* Linux' and macOS' way to refuse a name that is taken. */
static int rename_to_free (const char *from, const char *to) {
#if defined(RENAME_NOREPLACE)
  return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
#elif defined(RENAME_EXCL)
  return renamex_np(from, to, RENAME_EXCL);
#else
  (void)from;
  (void)to;
  errno = ENOSYS;
  return -1;
#endif
}

/* If the system or the file system does not know that, link() does the same in
** two steps; without links, too, only a look beforehand is left. */
static PartStatus take_free_name (PartFile *p) {
  struct stat there;
  if (rename_to_free(p->part, p->path) == 0)
    return PART_OK;
  if (errno == EEXIST)
    return PART_EXISTS;
  if (link(p->part, p->path) == 0 || (errno == EEXIST && is_linked(p))) {
    unlink(p->part);
    return PART_OK;
  }
  if (errno == EEXIST || lstat(p->path, &there) == 0)
    return PART_EXISTS;
  p->lacks |= PART_LACKS_LINK;
  return rename(p->part, p->path) == 0 ? PART_OK : PART_ERROR;
}

/* The old stem is replaced, whatever its format was. */
static void remove_other_formats (const PartFile *p) {
  const Format *format;
  struct stat there;
  for (size_t i = 0; (format = format_at(i)) != NULL; i++) {
    char *path = join(p->base, format->extension);
    if (path != NULL && strcmp(path, p->path) != 0 &&
        lstat(path, &there) == 0 && !S_ISDIR(there.st_mode))
      unlink(path);
    free(path);
  }
}

/* The folder is not synced: after a loss of power the file is whole under one
** of the two names. */
static PartStatus take_name (PartFile *p, bool overwrite) {
  struct stat there;
  if (!overwrite)
    return take_free_name(p);
  if (rename(p->part, p->path) != 0) {
    int error = errno;
    bool is_folder = lstat(p->path, &there) == 0 && S_ISDIR(there.st_mode);
    errno = error;
    return is_folder ? PART_EXISTS : PART_ERROR;
  }
  remove_other_formats(p);
  return PART_OK;
}

/* macOS' fsync leaves it in the drive's cache, which a loss of power empties. */
static int flush (int fd) {
#ifdef F_FULLFSYNC
  if (fcntl(fd, F_FULLFSYNC) == 0)
    return 0;
#endif
  return fsync(fd);
}

int sync_file (int fd) {
  while (flush(fd) != 0) {
    if (errno == EIO || errno == ENOSPC || errno == EDQUOT)
      return -1;
    if (errno != EINTR)
      return 1;
  }
  return 0;
}

static bool sync_part (PartFile *p) {
  int result = sync_file(p->fd);
  if (result > 0)
    p->lacks |= PART_LACKS_SYNC;
  return result >= 0;
}

static ssize_t read_at (int fd, char *out, size_t room, off_t at) {
  ssize_t n;
  do
    n = pread(fd, out, room, at);
  while (n < 0 && errno == EINTR);
  return n;
}

static bool has_same_bytes (int a, int b) {
  char ours[COMPARE], theirs[COMPARE];
  off_t at = 0;
  ssize_t n;
  do {
    n = read_at(a, ours, sizeof ours, at);
    if (n < 0 || read_at(b, theirs, sizeof theirs, at) != n ||
        memcmp(ours, theirs, (size_t)n) != 0)
      return false;
    at += n;
  } while (n > 0);
  return true;
}

/* True if the existing file is this very one: it was downloaded before, and
** what followed was interrupted. */
static bool is_there (const PartFile *p) {
  struct stat info;
  int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  bool same = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
              info.st_size == (off_t)p->size && has_same_bytes(p->fd, fd);
  if (fd >= 0)
    close(fd);
  return same && unlink(p->part) == 0;
}

/* It needs no final name: 'path' is valid for as long as it is open. */
static PartStatus commit_private (PartFile *p) {
  free(p->gather);
  p->gather = NULL;
  return format_of_file(p->fd) != NULL ? PART_OK : PART_NO_AUDIO;
}

PartStatus partfile_commit (PartFile *p, bool overwrite) {
  const Format *format;
  struct stat info;
  PartStatus status = write_gathered(p);
  if (status != PART_OK)
    return status;
  if (p->is_private)
    return commit_private(p);
  format = format_of_file(p->fd);
  if (format == NULL)
    return PART_NO_AUDIO;
  p->path = join(p->base, format->extension);
  if (p->path == NULL || !sync_part(p))
    return PART_ERROR;
  if (!is_named(p, &info)) /* if it was removed, errno says so */
    return access(p->part, F_OK) == 0 ? PART_BUSY : PART_ERROR;
  status = take_name(p, overwrite);
  if (status == PART_EXISTS && is_there(p)) {
    p->was_there = true;
    status = PART_OK;
  }
  if (status != PART_OK)
    return status;
  close(p->fd);
  p->fd = -1;
  free(p->gather);
  p->gather = NULL;
  return PART_OK;
}

void partfile_close (PartFile *p) {
  struct stat info;
  if (p->fd >= 0) {
    if (p->owner == getpid() && !p->is_private && is_named(p, &info))
      unlink(p->part);
    else if (p->owner == getpid() && p->is_private && p->path != NULL)
      unlink(p->path); /* not that of a descriptor */
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
