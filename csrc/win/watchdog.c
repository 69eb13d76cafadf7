/* Windows: no watchdog, as no store of batches runs there whose library could
** hold the process. */

#include "core/watchdog.h"

Watchdog *watchdog_open (const volatile sig_atomic_t *hurry) {
  (void)hurry;
  return NULL;
}

bool watchdog_adopt (Watchdog *w) {
  (void)w;
  return false;
}

void watchdog_begin (Watchdog *w, int ms) {
  (void)w;
  (void)ms;
}

bool watchdog_end (Watchdog *w) {
  (void)w;
  return false;
}

void watchdog_close_socket (Watchdog *w) {
  (void)w;
}

void watchdog_close (Watchdog *w) {
  (void)w;
}
