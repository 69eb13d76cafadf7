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

static bool make_fresh (DataDir *d, Failure *why) {
  const char *parent = getenv("TMPDIR");
  char *path;
  if (parent == NULL || parent[0] != '/')
    parent = "/tmp";
  path = files_join(parent, "camb-sandbox-XXXXXX");
  if (path == NULL || mkdtemp(path) == NULL) {
    free(path);
    return fail(why, "file", "cannot make a folder in '%s': %s", parent,
                strerror(errno));
  }
  d->path = path;
  return true;
}

static bool lock (DataDir *d, Failure *why) {
  char *path = files_join(d->path, "lock");
  d->lock = path == NULL
              ? -1
              : open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  free(path);
  if (d->lock < 0)
    return fail(why, "file", "cannot write to the folder '%s': %s", d->path,
                strerror(errno));
  if (flock(d->lock, LOCK_EX | LOCK_NB) == 0)
    return true;
  close(d->lock);
  d->lock = -1;
  return fail(why, "file", "the folder '%s' is in use by another sandbox",
              d->path);
}

static bool is_upload (const char *name) {
  size_t n = strlen(UPLOAD);
  return strncmp(name, UPLOAD, n) == 0 && strlen(name) == n + UPLOAD_DIGITS &&
         strspn(name + n, "0123456789abcdef") == UPLOAD_DIGITS;
}

/* Only what was made here: the folder may be somebody's who has an uploads/ of
** his own. */
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

/* False where the file is somebody else's, or cannot be read now: a new key
** would replace it, and void all URLs. */
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
  return (path != NULL ? make_given(d, path, why) : make_fresh(d, why)) &&
         lock(d, why) && read_last_run(d, why) && load_key(d, why) &&
         make_inside(d, why);
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
