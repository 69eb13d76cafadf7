/* Files on their way from the page to the disk. */

#include "sandbox/page/dropped.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/files.h"

/* Nothing else writes such names. */
#define TEMPLATE ".camb-dropped.XXXXXX"

static bool open_file (Dropped *d, const char *folder) {
  if (files_mkdirs(folder) != 0)
    return false;
  d->path = files_join(folder, TEMPLATE);
  if (d->path == NULL)
    return false;
  d->fd = mkostemp(d->path, O_CLOEXEC);
  return d->fd >= 0;
}

Dropped *dropped_open (const char *folder, const char *name) {
  Dropped *d = calloc(1, sizeof *d);
  if (d == NULL)
    return NULL;
  d->fd = -1;
  d->name = strdup(name);
  if (d->name != NULL && open_file(d, folder))
    return d;
  dropped_free(d, true);
  return NULL;
}

bool dropped_write (Dropped *d, const char *bytes, size_t n) {
  d->size += n;
  return files_write(d->fd, bytes, n) == 0;
}

bool dropped_finish (Dropped *d) {
  int fd = d->fd;
  d->fd = -1;
  return close(fd) == 0;
}

void dropped_free (Dropped *d, bool keep) {
  if (d == NULL)
    return;
  if (d->fd >= 0)
    close(d->fd);
  if (d->path != NULL && !keep)
    unlink(d->path);
  free(d->path);
  free(d->name);
  free(d);
}
