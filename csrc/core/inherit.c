/* Keeping descriptors to this process. */

#include "inherit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEAR 64 /* numbers after one end, among which the other one is */

static void mark (int fd) {
  fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int inherit_socket (int domain, int type, int protocol) {
#ifdef SOCK_CLOEXEC
  return socket(domain, type | SOCK_CLOEXEC, protocol);
#else
  int fd = socket(domain, type, protocol);
  if (fd >= 0)
    mark(fd);
  return fd;
#endif
}

int inherit_close (int fd) {
  return close(fd);
}

static bool is_inherited (int fd) {
  int flags = fcntl(fd, F_GETFD);
  return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

/* The file's number, 0 when 'fd' is no local socket. */
static ino_t local_socket (int fd) {
  struct stat info;
  struct sockaddr_storage name;
  socklen_t size = sizeof name;
  if (fstat(fd, &info) != 0 || !S_ISSOCK(info.st_mode) ||
      getsockname(fd, (struct sockaddr *)&name, &size) != 0 ||
      name.ss_family != AF_UNIX)
    return 0;
  return info.st_ino;
}

/* The ends of a pair are made one right after the other, and numbered so. */
static void mark_partner (int fd) {
  ino_t own = local_socket(fd);
  int i;
  for (i = fd + 1; own != 0 && i < fd + NEAR; i++)
    if (is_inherited(i) && local_socket(i) == own + 1) {
      mark(i);
      return;
    }
}

void inherit_not (int fd) {
  if (!is_inherited(fd))
    return;
  mark(fd);
  mark_partner(fd);
}

int inherit_next (void) {
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (fd >= 0)
    close(fd);
  return fd;
}
