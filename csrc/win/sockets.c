/* Windows: sockets that no child inherits, and waiting for them. */

#include "win/port_private.h"

#include <poll.h>

#include "core/inherit.h"

int inherit_socket (int domain, int type, int protocol) {
  SOCKET s = WSASocketW(domain, type, protocol, NULL, 0,
                        WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
  return s != INVALID_SOCKET ? (int)s : -1; /* handles have 32 bits */
}

int inherit_close (int fd) {
  return closesocket((SOCKET)fd);
}

void inherit_not (int fd) {
  SetHandleInformation((HANDLE)(intptr_t)fd, HANDLE_FLAG_INHERIT, 0);
}

int inherit_next (void) {
  return -1;
}

/* An fd_set is a count and an array, of any length. */
typedef struct Set {
  u_int count;
  SOCKET all[];
} Set;

static Set *newset (nfds_t room) {
  Set *set = malloc(sizeof *set + room * sizeof(SOCKET));
  if (set != NULL)
    set->count = 0;
  return set;
}

static bool has (const Set *set, SOCKET s) {
  for (u_int i = 0; i < set->count; i++)
    if (set->all[i] == s)
      return true;
  return false;
}

static int report (struct pollfd *fds, nfds_t count, const Set *in,
                   const Set *out, const Set *broken) {
  int ready = 0;
  for (nfds_t i = 0; i < count; i++) {
    SOCKET s = (SOCKET)fds[i].fd;
    fds[i].revents =
      (short)((has(in, s) ? POLLIN : 0) | (has(out, s) ? POLLOUT : 0) |
              (has(broken, s) ? POLLERR : 0));
    ready += fds[i].revents != 0;
  }
  return ready;
}

static int wait_for (struct pollfd *fds, nfds_t count, int ms, Set *in,
                     Set *out, Set *broken) {
  struct timeval limit = {ms / 1000, ms % 1000 * 1000};
  for (nfds_t i = 0; i < count; i++) {
    SOCKET s = (SOCKET)fds[i].fd;
    if ((fds[i].events & POLLIN) != 0)
      in->all[in->count++] = s;
    if ((fds[i].events & POLLOUT) != 0)
      out->all[out->count++] = s;
    broken->all[broken->count++] = s;
  }
  if (select(0, (fd_set *)in, (fd_set *)out, (fd_set *)broken,
             ms < 0 ? NULL : &limit) <= 0)
    in->count = out->count = broken->count = 0;
  return report(fds, count, in, out, broken);
}

/* By select: before Windows 10 of 2020 WSAPoll never reports a refused
** connection. */
int poll (struct pollfd *fds, nfds_t count, int ms) {
  Set *in = newset(count), *out = newset(count), *broken = newset(count);
  int ready = 0;
  if (count == 0) /* an error to select */
    Sleep(ms < 0 ? INFINITE : (DWORD)ms);
  else if (in != NULL && out != NULL && broken != NULL)
    ready = wait_for(fds, count, ms, in, out, broken);
  free(in);
  free(out);
  free(broken);
  return ready;
}
