/* Windows: the entries of a folder, and the room that it has. */

#include "win/port_private.h"

#include <dirent.h>
#include <sys/statvfs.h>

typedef int Filter (const struct dirent *entry);

static struct dirent *newentry (const WIN32_FIND_DATAW *found) {
  struct dirent *entry = malloc(sizeof *entry);
  if (entry == NULL ||
      !narrow(found->cFileName, entry->d_name, sizeof entry->d_name)) {
    free(entry);
    errno = ENOMEM;
    return NULL;
  }
  entry->d_type =
    (found->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0 ? DT_DIR : DT_REG;
  return entry;
}

/* A junction leads elsewhere, maybe in circles. */
static bool leads_elsewhere (const WIN32_FIND_DATAW *found) {
  return (found->dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 &&
         (found->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

static int keep (struct dirent ***list, int count, struct dirent *entry) {
  struct dirent **more = realloc(*list, ((size_t)count + 1) * sizeof *more);
  if (more == NULL)
    return -1;
  *list = more;
  more[count] = entry;
  return 0;
}

static HANDLE find_first (const char *path, WIN32_FIND_DATAW *found) {
  char pattern[3 * WIDE_PATH];
  wchar_t *w;
  HANDLE h;
  snprintf(pattern, sizeof pattern, "%s/*", path);
  w = wide(pattern);
  if (w == NULL)
    return INVALID_HANDLE_VALUE;
  h = FindFirstFileW(w, found);
  if (h == INVALID_HANDLE_VALUE)
    fail();
  free(w);
  return h;
}

static int drop (struct dirent **list, int count) {
  while (count > 0)
    free(list[--count]);
  free(list);
  errno = ENOMEM;
  return -1;
}

int scandir (const char *path, struct dirent ***list, Filter *filter,
             int (*compare)(const struct dirent **, const struct dirent **)) {
  WIN32_FIND_DATAW found;
  HANDLE h = find_first(path, &found);
  int count = 0;
  bool ok = true;
  if (h == INVALID_HANDLE_VALUE)
    return -1;
  *list = NULL;
  do {
    struct dirent *entry = newentry(&found);
    if (entry != NULL && leads_elsewhere(&found))
      entry->d_type = DT_REG;
    if (entry != NULL && !filter(entry))
      free(entry);
    else if (entry == NULL || keep(list, count, entry) != 0)
      ok = false;
    else
      count++;
  } while (ok && FindNextFileW(h, &found));
  FindClose(h);
  if (!ok)
    return drop(*list, count);
  if (count > 0)
    qsort(*list, (size_t)count, sizeof **list,
          (int (*)(const void *, const void *))compare);
  return count;
}

/* Nobody asks where an entry says itself what it is. */
int fstatat (int folder, const char *name, struct camb_stat *info, int flags) {
  (void)folder;
  (void)name;
  (void)info;
  (void)flags;
  errno = ENOSYS;
  return -1;
}

int statvfs (const char *path, struct statvfs *info) {
  wchar_t *w = wide(path);
  ULARGE_INTEGER free_bytes;
  BOOL ok = w != NULL && GetDiskFreeSpaceExW(w, &free_bytes, NULL, NULL);
  int status = ok ? 0 : w != NULL ? fail() : -1;
  free(w);
  info->f_frsize = 1;
  info->f_bavail = ok ? free_bytes.QuadPart : 0;
  return status;
}
