/* Windows: where temporary files go, and what they are called. */

#include "win/port_private.h"

#include <limits.h>

/* TMPDIR is the user's folder for them. */
char *camb_getenv (const char *name) {
  static char folder[PATH_MAX];
  wchar_t path[WIDE_PATH];
  DWORD size;
#undef getenv
  if (strcmp(name, "TMPDIR") != 0)
    return getenv(name);
  size = GetTempPathW(WIDE_PATH, path);
  if (size == 0 || size >= WIDE_PATH || !narrow(path, folder, sizeof folder))
    return NULL;
  for (char *c = folder; *c != '\0'; c++)
    if (*c == '\\')
      *c = '/';
  if (folder[0] != '\0' && folder[strlen(folder) - 1] == '/')
    folder[strlen(folder) - 1] = '\0';
  return folder;
}

/* 'name' ends in XXXXXX. */
int mkostemp (char *name, int flags) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
  char *end = name + strlen(name) - 6;
  int fd = -1;
  for (int tries = 0; fd < 0 && tries < 100; tries++) {
    unsigned value;
    for (int i = 0; i < 6; i++) {
      rand_s(&value);
      end[i] = letters[value % (sizeof letters - 1)];
    }
    fd = camb_open(name, O_RDWR | O_CREAT | O_EXCL | flags);
    if (fd < 0 && errno != EEXIST)
      return -1;
  }
  return fd;
}
