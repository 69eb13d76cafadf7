/* Running a separator as a process of its own. */

#include "sandbox/command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/files.h"
#include "sandbox/task.h"

#define SLEEP_MAX 50000000 /* ns between two looks at the process */

extern char **environ;

/* Our threads have all signals blocked, which a program would not expect; a
** process group of its own lets it be killed with its children. */
static int set_attributes (posix_spawnattr_t *a) {
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_init(a);
  posix_spawnattr_setsigmask(a, &none);
  posix_spawnattr_setsigdefault(a, &defaults);
  posix_spawnattr_setpgroup(a, 0);
  return posix_spawnattr_setflags(
    a, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static int set_streams (posix_spawn_file_actions_t *f, const char *log) {
  posix_spawn_file_actions_init(f);
  posix_spawn_file_actions_addopen(f, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(f, 1, log, O_WRONLY | O_CREAT | O_TRUNC,
                                   0600);
  return posix_spawn_file_actions_adddup2(f, 1, 2);
}

/* The arguments reach the shell as arguments, so no quoting is due. */
static int spawn (pid_t *pid, const char *command, const char *input,
                  const char *stems, const char *log) {
  size_t size = strlen(command) + sizeof " \"$@\"";
  char *text = malloc(size);
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t streams;
  int result;
  if (text == NULL)
    return ENOMEM;
  snprintf(text, size, "%s \"$@\"", command);
  char *arguments[] = {"sh",          "-c",          text, "sh",
                       (char *)input, (char *)stems, NULL};
  set_attributes(&attributes);
  set_streams(&streams, log);
  result =
    posix_spawn(pid, "/bin/sh", &streams, &attributes, arguments, environ);
  posix_spawn_file_actions_destroy(&streams);
  posix_spawnattr_destroy(&attributes);
  free(text);
  return result;
}

/* Looked at ever more rarely: a quick command costs a millisecond more, a
** slow one hardly anything. */
static int wait_for (pid_t pid, const atomic_bool *cancel) {
  struct timespec pause = {0, 1000000};
  int status = 0;
  for (;;) {
    pid_t got = waitpid(pid, &status, WNOHANG);
    if (got == pid || (got < 0 && errno != EINTR))
      return got == pid ? status : -1;
    if (atomic_load(cancel))
      kill(-pid, SIGKILL);
    nanosleep(&pause, NULL);
    if (pause.tv_nsec < SLEEP_MAX)
      pause.tv_nsec += pause.tv_nsec / 2;
  }
}

static bool find_stem (const char *stems, int which, char name[32]) {
  DIR *folder = opendir(stems);
  struct dirent *entry;
  size_t n = strlen(stem_names[which]);
  bool found = false;
  while (folder != NULL && !found && (entry = readdir(folder)) != NULL) {
    found = strncmp(entry->d_name, stem_names[which], n) == 0 &&
            entry->d_name[n] == '.' && strlen(entry->d_name) < 32;
    if (found)
      strcpy(name, entry->d_name);
  }
  if (folder != NULL)
    closedir(folder);
  return found;
}

static bool take_stem (const char *stems, const char *folder, int which,
                       char name[32]) {
  char *from, *to;
  bool ok;
  if (!find_stem(stems, which, name))
    return false;
  from = files_join(stems, name);
  to = files_join(folder, name);
  ok = from != NULL && to != NULL && rename(from, to) == 0;
  free(from);
  free(to);
  return ok;
}

static bool run (const char *command, const char *input, const char *stems,
                 const char *log, const atomic_bool *cancel, char *message,
                 size_t size) {
  pid_t pid;
  int status, result = spawn(&pid, command, input, stems, log);
  if (result != 0) {
    snprintf(message, size, "The engine's command cannot be started: %s.",
             strerror(result));
    return false;
  }
  status = wait_for(pid, cancel);
  if (status == 0)
    return true;
  if (WIFSIGNALED(status))
    snprintf(message, size, "The engine's command was killed by signal %d.",
             WTERMSIG(status));
  else
    snprintf(message, size, "The engine's command ended with status %d.",
             WEXITSTATUS(status));
  return false;
}

bool command_separate (const char *command, const char *input,
                       const char *folder, const atomic_bool *cancel,
                       char files[2][32], char *message, size_t size) {
  char *stems = files_join(folder, "stems");
  char *log = files_join(folder, "engine.log");
  bool ok = false;
  if (stems != NULL && log != NULL) {
    files_remove_tree(stems);
    ok = mkdir(stems, 0700) == 0 &&
         run(command, input, stems, log, cancel, message, size);
    if (ok && !(take_stem(stems, folder, FOREGROUND, files[FOREGROUND]) &&
                take_stem(stems, folder, BACKGROUND, files[BACKGROUND]))) {
      snprintf(message, size, "The engine's command left no stems.");
      ok = false;
    }
    files_remove_tree(stems);
  }
  free(stems);
  free(log);
  return ok;
}
