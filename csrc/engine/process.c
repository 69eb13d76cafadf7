/* Runs a program to its end, or to its time limit. */

#include "engine/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/files.h"
#include "engine/keeper.h"
#include "engine/sanitize.h"

#define LOOK_MS 50        /* between two looks at the cancel and the files */
#define LOG_MAX (1 << 20) /* bytes of what it prints */
#define LOG_KEPT 65536
#define TAIL_MAX 600 /* bytes of standard error in a message */

typedef enum Ending { ENDED, TIMED_OUT, CANCELLED } Ending;

/* --- start ---------------------------------------------------------------- */

/* Our threads have all signals blocked, which a program would not expect; a
** process group of its own is what the keeper asks for. */
static void set_attributes (posix_spawnattr_t *a) {
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_init(a);
  posix_spawnattr_setsigmask(a, &none);
  posix_spawnattr_setsigdefault(a, &defaults);
  posix_spawnattr_setpgroup(a, 0);
  posix_spawnattr_setflags(a, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                POSIX_SPAWN_SETPGROUP);
}

/* Appending, as the files may be shortened under it. */
static void set_streams (posix_spawn_file_actions_t *f, const Process *p) {
  int flags = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND;
  posix_spawn_file_actions_init(f);
  posix_spawn_file_actions_addopen(f, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(f, 1, p->out, flags, 0600);
  posix_spawn_file_actions_addopen(f, 2, p->err, flags, 0600);
}

static int start (const Process *p, Keeper *k) {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t streams;
  int code;
  set_attributes(&attributes);
  set_streams(&streams, p);
  code = keeper_start(k, p->words, &attributes, &streams);
  posix_spawn_file_actions_destroy(&streams);
  posix_spawnattr_destroy(&attributes);
  return code;
}

/* --- what it prints ------------------------------------------------------- */

/* The last bytes of a file, at most 'size'. */
static size_t read_end (int fd, char *bytes, size_t size) {
  off_t length = lseek(fd, 0, SEEK_END);
  off_t from = length > (off_t)size ? length - (off_t)size : 0;
  ssize_t got = length < 0 ? -1 : pread(fd, bytes, size, from);
  return got < 0 ? 0 : (size_t)got;
}

static void shorten (const char *path) {
  char kept[LOG_KEPT];
  int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return;
  if (lseek(fd, 0, SEEK_END) > LOG_MAX) {
    size_t n = read_end(fd, kept, sizeof kept);
    if (ftruncate(fd, 0) == 0)
      (void)files_write(fd, kept, n);
  }
  close(fd);
}

static size_t last_words (const char *path, char tail[TAIL_MAX]) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  size_t n = fd < 0 ? 0 : read_end(fd, tail, TAIL_MAX);
  if (fd >= 0)
    close(fd);
  return n;
}

/* --- end ------------------------------------------------------------------ */

static int64_t now_ms (void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static Ending wait_for (const Process *p, const Keeper *k) {
  int64_t start = now_ms();
  while (!keeper_wait(k, LOOK_MS)) {
    if (atomic_load(p->cancel))
      return CANCELLED;
    if ((double)(now_ms() - start) >= p->seconds * 1e3)
      return TIMED_OUT;
    shorten(p->out);
    shorten(p->err);
  }
  return ENDED;
}

static void describe (const Process *p, Ending how, int status, char *message,
                      size_t size) {
  char tail[TAIL_MAX];
  size_t n = last_words(p->err, tail);
  int used;
  if (how == CANCELLED)
    used = snprintf(message, size, "The engine's command was cancelled");
  else if (how == TIMED_OUT)
    used =
      snprintf(message, size,
               "The engine's command took longer than %g seconds", p->seconds);
  else if (WIFSIGNALED(status))
    used =
      snprintf(message, size, "The engine's command was killed by signal %d",
               WTERMSIG(status));
  else
    used = snprintf(message, size, "The engine's command ended with status %d",
                    WEXITSTATUS(status));
  n = sanitize_text(tail, n);
  snprintf(message + used, size - (size_t)used, n > 0 ? ": %.*s" : ".", (int)n,
           tail);
}

bool process_run (const Process *p, char *message, size_t size) {
  Keeper keeper;
  Ending how;
  int status, code = start(p, &keeper);
  if (code != 0) {
    snprintf(message, size, "The engine's command cannot be started: %s.",
             strerror(code));
    return false;
  }
  how = wait_for(p, &keeper);
  status = keeper_end(&keeper);
  if (how == ENDED && status == 0)
    return true;
  describe(p, how, status, message, size);
  return false;
}
