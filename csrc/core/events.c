/* A growing ring of events. */

#include "events.h"

#include <stdlib.h>

static Event *at (const Events *q, size_t index) {
  return &q->ring[(q->first + index) % q->capacity];
}

static int grow (Events *q) {
  size_t i, capacity = q->capacity != 0 ? 2 * q->capacity : 16;
  Event *ring = malloc(capacity * sizeof *ring);
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

int events_push (Events *q, const Event *event) {
  if (q->count == q->capacity && grow(q) != 0)
    return -1;
  q->count++;
  *at(q, q->count - 1) = *event;
  return 0;
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
