/* Watched sockets by descriptor, and a list of those that the poller does not
** know as they are. */

#include "watches.h"

#include <stdlib.h>
#include <string.h>

void watches_open (Watches *w, Poller *poller) {
  memset(w, 0, sizeof *w);
  w->poller = poller;
  w->first = -1;
}

void watches_free (Watches *w) {
  free(w->all);
  w->all = NULL;
  w->count = 0;
  w->first = -1;
}

static int reserve (Watches *w, int fd) {
  int count = w->count != 0 ? w->count : 16;
  Watch *all;
  if (fd < w->count)
    return 0;
  while (count <= fd)
    count *= 2;
  all = realloc(w->all, (size_t)count * sizeof *all);
  if (all == NULL)
    return -1;
  memset(all + w->count, 0, (size_t)(count - w->count) * sizeof *all);
  w->all = all;
  w->count = count;
  return 0;
}

static Watch *find (const Watches *w, int fd) {
  return fd < w->count && w->all[fd].is_known ? &w->all[fd] : NULL;
}

/* Without memory the end of this socket goes unnoticed. */
void watches_begin (Watches *w, int fd) {
  if (reserve(w, fd) != 0)
    return;
  w->all[fd].is_known = true;
  w->all[fd].wanted = w->all[fd].told = 0;
}

static int tell_poller (Watches *w, int fd) {
  Watch *watch = &w->all[fd];
  bool is_new = watch->told == 0;
  if (watch->wanted == watch->told)
    return 0;
  watch->told = watch->wanted;
  return poller_watch(w->poller, fd, watch->wanted, is_new);
}

/* Closing is not enough for the system to forget it: a child of fork may have
** it open still. */
void watches_end (Watches *w, int fd) {
  Watch *watch = find(w, fd);
  if (watch == NULL)
    return;
  watch->wanted = 0;
  tell_poller(w, fd);
  watch->is_known = false;
}

int watches_set (Watches *w, int fd, int events) {
  Watch *watch = find(w, fd);
  if (watch == NULL)
    return poller_watch(w->poller, fd, events, true);
  /* A socket that is given up while it connects may be closed without a word, as
  ** libcurl 7.88 does: its number is soon that of another descriptor. */
  if (events == 0 && watch->wanted & POLLER_OUT) {
    watches_end(w, fd);
    return 0;
  }
  watch->wanted = events;
  if (events == 0 || events == watch->told || watch->is_listed)
    return 0;
  watch->is_listed = true;
  watch->next = w->first;
  w->first = fd;
  return 0;
}

int watches_apply (Watches *w) {
  int status = 0;
  while (w->first >= 0) {
    int fd = w->first;
    Watch *watch = &w->all[fd];
    w->first = watch->next;
    watch->is_listed = false;
    if (watch->is_known && watch->wanted != 0 && tell_poller(w, fd) != 0)
      status = -1;
  }
  return status;
}

int watches_wait (Watches *w, int ms, Ready *ready, int max) {
  int i, count = 0, n = poller_wait(w->poller, ms, ready, max);
  for (i = 0; i < n; i++) {
    Watch *watch = find(w, ready[i].fd);
    if (watch != NULL && watch->wanted == 0)
      tell_poller(w, ready[i].fd);
    else
      ready[count++] = ready[i];
  }
  return count;
}
