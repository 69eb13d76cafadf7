/* Windows: flock, by a lock on one byte that no file reaches: others can
** neither read nor write a locked range there. */

#include "win/port_private.h"

#include <sys/file.h>

int flock (int fd, int operation) {
  DWORD flags = LOCKFILE_EXCLUSIVE_LOCK;
  OVERLAPPED at;
  memset(&at, 0, sizeof at);
  at.OffsetHigh = 0x7FFFFFFF;
  if ((operation & LOCK_NB) != 0)
    flags |= LOCKFILE_FAIL_IMMEDIATELY;
  if (LockFileEx((HANDLE)_get_osfhandle(fd), flags, 0, 1, 0, &at))
    return 0;
  if (GetLastError() == ERROR_IO_PENDING)
    SetLastError(ERROR_LOCK_VIOLATION);
  return fail();
}
