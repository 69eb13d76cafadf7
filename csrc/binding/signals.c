/* For the command, which may be interrupted, and nobody else: a library does not
** touch the signals of its process. */

#include "binding/handles.h"

#include <signal.h>
#include <string.h>

static void endings (sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGINT);
  sigaddset(set, SIGTERM);
  sigaddset(set, SIGHUP);
}

/* hold_signals(): keep SIGINT, SIGTERM and SIGHUP for wait_signal; threads that
** are started later inherit that. */
int l_hold_signals (lua_State *L) {
  sigset_t set;
  (void)L;
  endings(&set);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  return 0;
}

/* wait_signal() -> the number of the one that came */
int l_wait_signal (lua_State *L) {
  sigset_t set;
  int number = 0;
  endings(&set);
  while (sigwait(&set, &number) != 0)
    continue;
  lua_pushinteger(L, number);
  return 1;
}

static volatile sig_atomic_t caught = 0;

static void on_signal (int number) {
  caught = number;
}

/* One that is ignored, as by nohup, stays so. */
static void catch_one (int number) {
  struct sigaction old, new;
  memset(&new, 0, sizeof new);
  new.sa_handler = on_signal;
  new.sa_flags = (int)SA_RESETHAND;
  sigemptyset(&new.sa_mask);
  if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
    sigaction(number, &new, NULL);
}

/* catch_signals(): the first SIGINT, SIGTERM and SIGHUP are for caught_signal;
** a second one ends the process as ever. */
int l_catch_signals (lua_State *L) {
  (void)L;
  catch_one(SIGINT);
  catch_one(SIGTERM);
  catch_one(SIGHUP);
  return 0;
}

/* caught_signal() -> the name of the one that came; nil: none */
int l_caught_signal (lua_State *L) {
  if (caught == 0)
    return 0;
  lua_pushstring(L, caught == SIGINT    ? "SIGINT"
                    : caught == SIGTERM ? "SIGTERM"
                                        : "SIGHUP");
  return 1;
}
