/* For the command that serves until it is interrupted, and nobody else: a
** library does not touch the signals of its process. */

#include "binding/handles.h"

#include <signal.h>

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
