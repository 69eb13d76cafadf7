/* Windows: UTF-8 and UTF-16, and its errors by POSIX' numbers. */

#include "win/port_private.h"

#define SHORT_PATH 240 /* what is longer is only a path when it says so */
#define LONG_PREFIX L"\\\\?\\"
#define PREFIX_SIZE 4

/* Behind the prefix there is one separator only. */
static void lengthen (wchar_t *path) {
  wmemcpy(path, LONG_PREFIX, PREFIX_SIZE);
  for (wchar_t *c = path + PREFIX_SIZE; *c != L'\0'; c++)
    if (*c == L'/')
      *c = L'\\';
}

#define NAME_SIZE 255 /* of each part of a path, in UTF-16 */

static bool has_long_name (const wchar_t *path) {
  size_t size = 0;
  for (; *path != L'\0' && size <= NAME_SIZE; path++)
    size = wcschr(L"/\\", *path) != NULL ? 0 : size + 1;
  return size > NAME_SIZE;
}

wchar_t *wide (const char *text) {
  int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
  int before = n > SHORT_PATH && text[1] == ':' ? PREFIX_SIZE : 0;
  wchar_t *w = n > 0 ? malloc((size_t)(n + before) * sizeof *w) : NULL;
  if (w == NULL) {
    errno = n > 0 ? ENOMEM : ENOENT;
    return NULL;
  }
  MultiByteToWideChar(CP_UTF8, 0, text, -1, w + before, n);
  if (has_long_name(w + before)) {
    free(w);
    errno = ENAMETOOLONG;
    return NULL;
  }
  if (before != 0)
    lengthen(w);
  return w;
}

bool narrow (const wchar_t *text, char *to, size_t room) {
  return WideCharToMultiByte(CP_UTF8, 0, text, -1, to, (int)room, NULL, NULL) >
         0;
}

static const struct {
  DWORD windows;
  int posix;
} errors[] = {{ERROR_FILE_NOT_FOUND, ENOENT},
              {ERROR_PATH_NOT_FOUND, ENOENT},
              {ERROR_INVALID_NAME, ENOENT},
              {ERROR_BAD_PATHNAME, ENOENT},
              {ERROR_BAD_NETPATH, ENOENT},
              {ERROR_DIRECTORY, ENOTDIR},
              {ERROR_ALREADY_EXISTS, EEXIST},
              {ERROR_FILE_EXISTS, EEXIST},
              {ERROR_SHARING_VIOLATION, EBUSY},
              {ERROR_LOCK_VIOLATION, EWOULDBLOCK},
              {ERROR_DISK_FULL, ENOSPC},
              {ERROR_HANDLE_DISK_FULL, ENOSPC},
              {ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG},
              {ERROR_NOT_SAME_DEVICE, EXDEV},
              {ERROR_WRITE_PROTECT, EROFS},
              {ERROR_NOT_ENOUGH_MEMORY, ENOMEM},
              {ERROR_NOT_SUPPORTED, ENOSYS},
              {ERROR_INVALID_FUNCTION, ENOSYS}};

int fail (void) {
  DWORD error = GetLastError();
  errno = EACCES;
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    if (errors[i].windows == error)
      errno = errors[i].posix;
  return -1;
}
