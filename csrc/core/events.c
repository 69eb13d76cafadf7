/* A growing ring of events. */

#include "events.h"

#include <stdlib.h>

static Event *at (const Events *q, size_t index) {
  return &q->ring[(q->first + index) % q->capacity];
}

int events_reserve (Events *q, size_t room) {
  size_t i, capacity = q->capacity != 0 ? q->capacity : 16;
  Event *ring;
  if (q->count + room <= q->capacity)
    return 0;
  while (capacity < q->count + room)
    capacity *= 2;
  ring = malloc(capacity * sizeof *ring);
  if (ring == NULL)
    return -1;
  for (i = 0; i < q->count; i++)
    ring[i] = *at(q, i);
  free(q->ring);
  q->ring = ring;
  q->first = 0;
  q->capacity = capacity;
  return 0;
}

void events_push (Events *q, const Event *event) {
  q->count++;
  *at(q, q->count - 1) = *event;
}

bool events_pop (Events *q, Event *event) {
  if (q->count == 0)
    return false;
  *event = *at(q, 0);
  q->first = (q->first + 1) % q->capacity;
  q->count--;
  return true;
}

void events_drop (Events *q, uint64_t id) {
  size_t i, kept = 0;
  for (i = 0; i < q->count; i++)
    if (at(q, i)->id != id)
      *at(q, kept++) = *at(q, i);
  q->count = kept;
}

void events_free (Events *q) {
  free(q->ring);
  q->ring = NULL;
  q->first = q->count = q->capacity = 0;
}
