/* The data folder on disk. */

#include "sandbox/tasks/datadir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/files.h"

#define LAST_RUN "last_run"
#define SECRET "secret"
#define UPLOAD "camb-" /* begins the names of our folders in uploads/ */
#define UPLOAD_DIGITS 32
#define FRESH "camb-sandbox-" /* begins the names of folders for one run */
#define FRESH_LETTERS 6
#define MOST_TRIES 10

/* Paths are made whole, so a later chdir of the program does not matter. */
static bool make_given (DataDir *d, const char *path, Failure *why) {
  d->kept = true;
  if (files_mkdirs(path) != 0)
    return fail(why, "file", "cannot make the folder '%s': %s", path,
                strerror(errno));
  d->path = realpath(path, NULL);
  if (d->path == NULL || access(d->path, W_OK | X_OK) != 0)
    return fail(why, "file", "cannot write to the folder '%s': %s", path,
                strerror(errno));
  return true;
}

static int open_lock (const char *folder) {
  int fd = -1;
  char *path = files_join(folder, "lock");
  if (path != NULL)
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  free(path);
  return fd;
}

static bool is_locked (int fd) {
  return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static bool lock (DataDir *d, Failure *why) {
  d->lock = open_lock(d->path);
  if (d->lock < 0)
    return fail(why, "file", "cannot write to the folder '%s': %s", d->path,
                strerror(errno));
  if (is_locked(d->lock))
    return true;
  close(d->lock);
  d->lock = -1;
  return fail(why, "file", "the folder '%s' is in use by another sandbox",
              d->path);
}

static bool is_fresh (const char *name) {
  size_t n = strlen(FRESH);
  return strncmp(name, FRESH, n) == 0 && strlen(name) == n + FRESH_LETTERS;
}

/* A folder whose sandbox was killed: of this user, with a lock that is free.
** One without a lock may be about to get it. */
static void remove_dead (const char *folder) {
  struct stat info;
  char *path;
  int fd = -1;
  if (lstat(folder, &info) != 0 || !S_ISDIR(info.st_mode) ||
      info.st_uid != geteuid())
    return;
  path = files_join(folder, "lock");
  if (path != NULL)
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  free(path);
  if (fd < 0)
    return;
  if (is_locked(fd))
    files_remove_tree(folder);
  close(fd);
}

static void remove_left (const char *parent) {
  DIR *list = opendir(parent);
  struct dirent *entry;
  while (list != NULL && (entry = readdir(list)) != NULL) {
    char *path =
      is_fresh(entry->d_name) ? files_join(parent, entry->d_name) : NULL;
    if (path != NULL)
      remove_dead(path);
    free(path);
  }
  if (list != NULL)
    closedir(list);
}

static bool make_locked (DataDir *d) {
  struct stat info;
  if (mkdtemp(d->path) == NULL)
    return false;
  d->lock = open_lock(d->path);
  if (d->lock >= 0 && is_locked(d->lock) && fstat(d->lock, &info) == 0 &&
      info.st_nlink == 1)
    return true;
  if (d->lock >= 0)
    close(d->lock);
  d->lock = -1;
  files_remove_tree(d->path);
  return false;
}

/* Try again: another sandbox may mistake a folder that is not locked yet for an
** abandoned one, and remove it. */
static bool make_fresh (DataDir *d, Failure *why) {
  const char *parent = getenv("TMPDIR");
  int tries;
  if (parent == NULL || parent[0] != '/')
    parent = "/tmp";
  remove_left(parent);
  for (tries = 0; tries < MOST_TRIES; tries++) {
    free(d->path);
    d->path = files_join(parent, FRESH "XXXXXX");
    if (d->path == NULL)
      break;
    if (make_locked(d))
      return true;
  }
  return fail(why, "file", "cannot make a folder in '%s': %s", parent,
              strerror(errno));
}

static bool is_upload (const char *name) {
  size_t n = strlen(UPLOAD);
  return strncmp(name, UPLOAD, n) == 0 && strlen(name) == n + UPLOAD_DIGITS &&
         strspn(name + n, "0123456789abcdef") == UPLOAD_DIGITS;
}

/* Remove only what a sandbox made: the folder may be a user's, with files of
** its own in uploads/. */
static void remove_uploads (const DataDir *d) {
  DIR *list = opendir(d->uploads);
  struct dirent *entry;
  while (list != NULL && (entry = readdir(list)) != NULL) {
    char *path =
      is_upload(entry->d_name) ? files_join(d->uploads, entry->d_name) : NULL;
    if (path != NULL)
      files_remove_tree(path);
    free(path);
  }
  if (list != NULL)
    closedir(list);
}

static bool make_inside (DataDir *d, Failure *why) {
  d->tasks = files_join(d->path, "tasks");
  d->uploads = files_join(d->path, "uploads");
  if (d->tasks == NULL || d->uploads == NULL)
    return fail(why, "file", "not enough memory");
  remove_uploads(d);
  if (files_mkdirs(d->tasks) != 0 || files_mkdirs(d->uploads) != 0)
    return fail(why, "file", "cannot write to the folder '%s': %s", d->path,
                strerror(errno));
  return true;
}

/* False if the file is not a sandbox's, or cannot be read now: a new key would
** replace it, and invalidate all URLs. */
static bool read_key (DataDir *d, bool *is_there) {
  uint8_t more;
  char *path = files_join(d->path, SECRET);
  int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  bool ok = fd >= 0 && read(fd, d->key, KEY_BYTES) == KEY_BYTES &&
            read(fd, &more, 1) == 0;
  *is_there = fd >= 0 || errno != ENOENT;
  if (fd >= 0)
    close(fd);
  free(path);
  return ok;
}

static bool fail_foreign (const DataDir *d, const char *name, Failure *why) {
  return fail(why, "file",
              "the file '%s/%s' is not a sandbox's, or cannot be read: choose "
              "another folder",
              d->path, name);
}

static bool load_key (DataDir *d, Failure *why) {
  bool is_there;
  if (read_key(d, &is_there))
    return true;
  if (is_there)
    return fail_foreign(d, SECRET, why);
  if (secret_random(d->key, KEY_BYTES) &&
      files_replace(d->path, SECRET, d->key, KEY_BYTES, d->kept) == 0)
    return true;
  return fail(why, "file", "cannot write to the folder '%s': %s", d->path,
              strerror(errno));
}

static bool read_last_run (DataDir *d, Failure *why) {
  char end = '\0';
  char *path = files_join(d->path, LAST_RUN);
  FILE *file = path == NULL ? NULL : fopen(path, "re");
  bool ok = file == NULL
              ? path != NULL && errno == ENOENT
              : fscanf(file, "%" SCNd64 "%c", &d->last_run, &end) == 2 &&
                  end == '\n' && getc(file) == EOF;
  if (file != NULL)
    fclose(file);
  free(path);
  return ok || fail_foreign(d, LAST_RUN, why);
}

bool datadir_open (DataDir *d, const char *path, Failure *why) {
  d->lock = -1;
  return (path != NULL ? make_given(d, path, why) && lock(d, why)
                       : make_fresh(d, why)) &&
         read_last_run(d, why) && load_key(d, why) && make_inside(d, why);
}

int datadir_put_last_run (const DataDir *d, int64_t run) {
  char text[32];
  int n = snprintf(text, sizeof text, "%" PRId64 "\n", run);
  return files_replace(d->path, LAST_RUN, text, (size_t)n, d->kept);
}

char *datadir_upload_folder (const DataDir *d) {
  uint8_t random[UPLOAD_DIGITS / 2];
  char name[sizeof UPLOAD + UPLOAD_DIGITS] = UPLOAD, *path;
  if (!secret_random(random, sizeof random))
    return NULL;
  secret_hex(name + strlen(UPLOAD), random, sizeof random);
  path = files_join(d->uploads, name);
  if (path != NULL && mkdir(path, 0700) != 0) {
    free(path);
    path = NULL;
  }
  return path;
}

char *datadir_admit (const DataDir *d, const char *folder) {
  const char *name = strrchr(folder, '/') + 1 + strlen(UPLOAD);
  char *place = files_join(d->tasks, name);
  if (place != NULL && rename(folder, place) != 0) {
    free(place);
    return NULL;
  }
  if (d->kept)
    files_sync_folder(d->tasks);
  return place;
}

void datadir_close (DataDir *d) {
  if (d->lock < 0)
    return;
  if (!d->kept)
    files_remove_tree(d->path);
  close(d->lock);
  d->lock = -1;
}

void datadir_free (DataDir *d) {
  free(d->path);
  free(d->tasks);
  free(d->uploads);
}
