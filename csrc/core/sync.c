/* fsync, where there is one. */

#include "sync.h"

#include <errno.h>
#include <unistd.h>

int sync_file (int fd) {
  while (fsync(fd) != 0) {
    if (errno == EIO || errno == ENOSPC || errno == EDQUOT)
      return -1;
    if (errno != EINTR)
      return 1;
  }
  return 0;
}
