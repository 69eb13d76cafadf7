/* What specs need of the system and Lua does not have: processes, and peers
** that the system alone plays.  Module spec.support.system. */

#include <dlfcn.h>
#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "binding/compat.h"

#define SMALL_WINDOW 4096

static int fail (lua_State *L, const char *what) {
  return luaL_error(L, "%s: %s", what, strerror(errno));
}

/* fork(): the child's id; 0 in the child. */
static int l_fork (lua_State *L) {
  pid_t pid = fork();
  if (pid < 0)
    return fail(L, "fork");
  lua_pushinteger(L, (lua_Integer)pid);
  return 1;
}

/* exit(status), without closing anything or running anybody's handlers. */
static int l_exit (lua_State *L) {
  _exit((int)luaL_checkinteger(L, 1));
}

#define WAIT_SECONDS 120
#define PAUSE_MS 5

/* wait(pid): its status, or minus the signal that killed it.  One that does not
** end in time is killed. */
static int l_wait (lua_State *L) {
  pid_t pid = (pid_t)luaL_checkinteger(L, 1), ended;
  int status = 0, pauses = WAIT_SECONDS * 1000 / PAUSE_MS;
  while ((ended = waitpid(pid, &status, WNOHANG)) == 0) {
    poll(NULL, 0, PAUSE_MS);
    if (pauses-- == 0)
      kill(pid, SIGKILL);
  }
  if (ended < 0)
    return fail(L, "waitpid");
  lua_pushinteger(L, WIFSIGNALED(status) ? -WTERMSIG(status)
                                         : WEXITSTATUS(status));
  return 1;
}

/* kill(pid): by SIGKILL, at once. */
static int l_kill (lua_State *L) {
  if (kill((pid_t)luaL_checkinteger(L, 1), SIGKILL) != 0)
    return fail(L, "kill");
  return 0;
}

static struct sockaddr_in loopback (int port) {
  struct sockaddr_in a;
  memset(&a, 0, sizeof a);
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.sin_port = htons((unsigned short)port);
  return a;
}

/* listen(backlog): a descriptor and its port.  Nobody accepts: a client is
** connected all the same and can send as much as a small window takes, then
** nothing ever happens. */
static int l_listen (lua_State *L) {
  struct sockaddr_in a = loopback(0);
  socklen_t size = sizeof a;
  int window = SMALL_WINDOW;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 ||
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window) != 0 ||
      bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
      listen(fd, (int)luaL_checkinteger(L, 1)) != 0 ||
      getsockname(fd, (struct sockaddr *)&a, &size) != 0)
    return fail(L, "listen");
  lua_pushinteger(L, fd);
  lua_pushinteger(L, ntohs(a.sin_port));
  return 2;
}

/* connect(port): a descriptor, without waiting for the connection. */
static int l_connect (lua_State *L) {
  struct sockaddr_in a = loopback((int)luaL_checkinteger(L, 1));
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || (connect(fd, (struct sockaddr *)&a, sizeof a) != 0 &&
                 errno != EINPROGRESS))
    return fail(L, "connect");
  lua_pushinteger(L, fd);
  return 1;
}

/* readable(fd, seconds): true once there is something to read. */
static int l_readable (lua_State *L) {
  struct pollfd p = {(int)luaL_checkinteger(L, 1), POLLIN, 0};
  lua_pushboolean(L, poll(&p, 1, (int)(luaL_checknumber(L, 2) * 1000)) == 1);
  return 1;
}

static int l_close (lua_State *L) {
  close((int)luaL_checkinteger(L, 1));
  return 0;
}

/* trim(): give back the memory that is free, so that what is left is in use. */
static int l_trim (lua_State *L) {
  (void)L;
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  return 0;
}

/* cpu(): seconds for which this thread alone has had a processor. */
static int l_cpu (lua_State *L) {
  struct timespec used = {0, 0};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  lua_pushnumber(L, (lua_Number)used.tv_sec + (lua_Number)used.tv_nsec / 1e9);
  return 1;
}

#define SLOW_SECONDS 5

/* For programs that have this file preloaded: a name server that does not
** answer for names that end in ".slow". */
CAMB_EXPORT int getaddrinfo (const char *node, const char *service,
                             const struct addrinfo *hints,
                             struct addrinfo **result) {
  typedef int Resolve(const char *, const char *, const struct addrinfo *,
                      struct addrinfo **);
  size_t n = node != NULL ? strlen(node) : 0;
  Resolve *next;
  if (n > 5 && strcmp(node + n - 5, ".slow") == 0) {
    sleep(SLOW_SECONDS);
    return EAI_AGAIN;
  }
  *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
  return next(node, service, hints, result);
}

/* True, with errno set, where SPEC_REFUSED ("flock=37,fsync=22") names 'call'
** and the number of an error. */
static bool is_refused (const char *call) {
  const char *at = getenv("SPEC_REFUSED");
  size_t n = strlen(call);
  for (; at != NULL; at = strchr(at, ',')) {
    at += *at == ',';
    if (strncmp(at, call, n) == 0 && at[n] == '=') {
      errno = atoi(at + n + 1);
      return true;
    }
  }
  return false;
}

/* Wait as long as SPEC_SLOW ("fsync=300") says in milliseconds. */
static void be_slow (const char *call) {
  const char *slow = getenv("SPEC_SLOW");
  size_t n = strlen(call);
  if (slow != NULL && strncmp(slow, call, n) == 0 && slow[n] == '=')
    poll(NULL, 0, atoi(slow + n + 1));
}

static void find_next (const char *name, void *function) {
  *(void **)function = dlsym(RTLD_NEXT, name);
}

/* The same for a file system that lacks something. */
CAMB_EXPORT int flock (int fd, int operation) {
  int (*next)(int, int);
  find_next("flock", &next);
  return is_refused("flock") ? -1 : next(fd, operation);
}

CAMB_EXPORT int fsync (int fd) {
  int (*next)(int);
  find_next("fsync", &next);
  be_slow("fsync");
  return is_refused("fsync") ? -1 : next(fd);
}

CAMB_EXPORT int link (const char *from, const char *to) {
  int (*next)(const char *, const char *);
  find_next("link", &next);
  return is_refused("link") ? -1 : next(from, to);
}

#ifdef RENAME_NOREPLACE
CAMB_EXPORT int renameat2 (int at, const char *from, int there, const char *to,
                           unsigned flags) {
  int (*next)(int, const char *, int, const char *, unsigned);
  find_next("renameat2", &next);
  return is_refused("renameat2") ? -1 : next(at, from, there, to, flags);
}
#endif

static const luaL_Reg functions[] = {
  {"fork", l_fork},     {"exit", l_exit},
  {"wait", l_wait},     {"kill", l_kill},
  {"listen", l_listen}, {"connect", l_connect},
  {"close", l_close},   {"readable", l_readable},
  {"trim", l_trim},     {"cpu", l_cpu},
  {NULL, NULL},
};

CAMB_EXPORT int luaopen_spec_support_system (lua_State *L);

int luaopen_spec_support_system (lua_State *L) {
  lua_newtable(L);
  for (const luaL_Reg *f = functions; f->name != NULL; f++) {
    lua_pushcfunction(L, f->func);
    lua_setfield(L, -2, f->name);
  }
  return 1;
}
