/* A program and all that it begins. */

#include "engine/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

extern char **environ;

/* --- in the keeper: a fork of a process with threads ---------------------- */

/* Nothing here may take memory or a lock. */

static void close_range_of (unsigned first, unsigned last) {
#ifdef SYS_close_range
  if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
    return;
#endif
  long most = sysconf(_SC_OPEN_MAX);
  for (unsigned fd = first; fd <= last && (long)fd < most; fd++)
    close((int)fd);
}

/* A listener or a store that stayed open here would outlive its owner. */
static void close_all_but (int fd) {
  close_range_of(3, (unsigned)fd - 1);
  close_range_of((unsigned)fd + 1, ~0U);
}

static void on_child (int signal) {
  (void)signal;
}

/* All signals stay blocked but that of a child's end, and that one comes in
** ppoll alone. */
static void block_signals (sigset_t *while_waiting) {
  struct sigaction action = {.sa_handler = on_child};
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  sigaction(SIGCHLD, &action, NULL);
  *while_waiting = all;
  sigdelset(while_waiting, SIGCHLD);
}

/* Looks without reaping: as long as the process is not reaped, no other can
** get the number of its group. */
static bool has_ended (pid_t pid) {
  siginfo_t info = {0};
  return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
         info.si_pid == pid;
}

/* Orphans that ended meanwhile are collected, as the first process would. */
static void wait_for (pid_t pid, int parent, const sigset_t *signals) {
  struct pollfd order = {parent, POLLIN, 0};
  while (!has_ended(pid)) {
    siginfo_t info = {0};
    if (ppoll(&order, 1, NULL, signals) > 0)
      return;
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0 && info.si_pid != pid)
      waitpid(info.si_pid, NULL, 0);
  }
}

/* SIGKILL to the children of this process: their numbers, a space after each.
** False if the system does not tell. */
static bool kill_children (void) {
  char text[4096];
  int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
  pid_t pid = 0;
  if (fd >= 0)
    close(fd);
  for (ssize_t i = 0; i < n; i++) {
    if (text[i] >= '0' && text[i] <= '9') {
      pid = 10 * pid + (text[i] - '0');
      continue;
    }
    if (pid > 0)
      kill(pid, SIGKILL);
    pid = 0;
  }
  return n >= 0;
}

/* A child that dies leaves its own children to us, so it ends when there are
** none.  The status of 'pid'. */
static int end_all (pid_t pid) {
  int status = -1, any;
  bool waits;
  pid_t ended;
  kill(-pid, SIGKILL);
  do {
    waits = kill_children();
    ended = waitpid(waits ? -1 : pid, &any, 0);
    if (ended == pid)
      status = any;
  } while (waits && (ended > 0 || errno == EINTR));
  return status;
}

static void tell (int parent, int number) {
  ssize_t n = write(parent, &number, sizeof number);
  (void)n;
}

static void keep (int parent, char *const *words, const posix_spawnattr_t *a,
                  const posix_spawn_file_actions_t *streams) {
  sigset_t signals;
  pid_t pid;
  int code;
  close_all_but(parent);
  block_signals(&signals);
#ifdef PR_SET_CHILD_SUBREAPER
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
#endif
  code = posix_spawnp(&pid, words[0], streams, a, words, environ);
  tell(parent, code);
  if (code == 0) {
    wait_for(pid, parent, &signals);
    tell(parent, end_all(pid));
  }
  _exit(0);
}

/* --- in this process ------------------------------------------------------ */

static bool hear (const Keeper *k, int *number) {
  ssize_t n;
  do
    n = read(k->socket, number, sizeof *number);
  while (n < 0 && errno == EINTR);
  return n == (ssize_t)sizeof *number;
}

int keeper_start (Keeper *k, char *const *words, const posix_spawnattr_t *a,
                  const posix_spawn_file_actions_t *streams) {
  int pair[2], code;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return errno;
  k->socket = pair[0];
  k->pid = fork();
  code = errno;
  if (k->pid == 0)
    keep(pair[1], words, a, streams);
  close(pair[1]);
  if (k->pid > 0 && !hear(k, &code))
    code = ECHILD;
  if (k->pid < 0 || code != 0)
    (void)keeper_end(k);
  return code;
}

bool keeper_wait (const Keeper *k, int ms) {
  struct pollfd news = {k->socket, POLLIN, 0};
  return poll(&news, 1, ms) > 0;
}

/* The end of what can be sent to it is seen there even if a fork of this
** process still has the socket. */
int keeper_end (Keeper *k) {
  int status;
  shutdown(k->socket, SHUT_WR);
  if (!hear(k, &status))
    status = -1;
  close(k->socket);
  while (k->pid > 0 && waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
    continue;
  return status;
}
