/* Windows: no worker, as select does not wait for a pipe: what it would do is done
** in the step. */

#include "core/worker.h"

Worker *worker_open (void) {
  errno = ENOSYS;
  return NULL;
}

void worker_close (Worker *w) {
  (void)w;
}

int worker_fd (const Worker *w) {
  (void)w;
  return -1;
}

void worker_begin (Worker *w, Work *work) {
  (void)w;
  (void)work;
}

Work *worker_next (Worker *w) {
  (void)w;
  return NULL;
}

void worker_cancel (Worker *w, Work *work) {
  (void)w;
  (void)work;
}
