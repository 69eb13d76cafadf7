/* The monotonic clock, and a binary min-heap of embedded timers. */

#include "timers.h"

#include <stdlib.h>
#include <time.h>

int64_t clock_us (void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_ms (void) {
  return clock_us() / 1000;
}

static void put (Timers *t, Timer *timer, size_t index) {
  t->heap[index] = timer;
  timer->place = index + 1;
}

static void sift_up (Timers *t, Timer *timer, size_t index) {
  while (index > 0) {
    size_t parent = (index - 1) / 2;
    if (t->heap[parent]->at <= timer->at)
      break;
    put(t, t->heap[parent], index);
    index = parent;
  }
  put(t, timer, index);
}

static void sift_down (Timers *t, Timer *timer, size_t index) {
  for (;;) {
    size_t child = 2 * index + 1;
    if (child >= t->count)
      break;
    if (child + 1 < t->count && t->heap[child + 1]->at < t->heap[child]->at)
      child++;
    if (timer->at <= t->heap[child]->at)
      break;
    put(t, t->heap[child], index);
    index = child;
  }
  put(t, timer, index);
}

int timers_reserve (Timers *t, size_t count) {
  size_t capacity = t->capacity != 0 ? t->capacity : 16;
  Timer **heap;
  if (count <= t->capacity)
    return 0;
  while (capacity < count)
    capacity *= 2;
  heap = realloc(t->heap, capacity * sizeof *heap);
  if (heap == NULL)
    return -1;
  t->heap = heap;
  t->capacity = capacity;
  return 0;
}

void timers_set (Timers *t, Timer *timer, int64_t at) {
  timers_unset(t, timer);
  timer->at = at;
  sift_up(t, timer, t->count++);
}

void timers_unset (Timers *t, Timer *timer) {
  size_t index = timer->place - 1;
  Timer *last;
  if (timer->place == 0)
    return;
  timer->place = 0;
  last = t->heap[--t->count];
  if (last == timer)
    return;
  if (index > 0 && last->at < t->heap[(index - 1) / 2]->at)
    sift_up(t, last, index);
  else
    sift_down(t, last, index);
}

int64_t timers_next (const Timers *t) {
  return t->count != 0 ? t->heap[0]->at : CLOCK_NEVER;
}

Timer *timers_due (Timers *t, int64_t now) {
  Timer *timer;
  if (t->count == 0 || t->heap[0]->at > now)
    return NULL;
  timer = t->heap[0];
  timers_unset(t, timer);
  return timer;
}

void timers_free (Timers *t) {
  free(t->heap);
  t->heap = NULL;
  t->count = t->capacity = 0;
}
