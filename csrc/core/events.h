/* The queue of events between a step and the caller who reads them. */

#ifndef CAMB_EVENTS_H
#define CAMB_EVENTS_H

#include "session.h"

typedef struct Events {
  Event *ring;
  size_t first;
  size_t count;
  size_t capacity;
} Events;

/* Make room for so many more; -1 when there is no memory. */
int events_reserve (Events *q, size_t room);

/* Add a copy, for which there is room. */
void events_push (Events *q, const Event *event);

/* Take the oldest; false when there is none. */
bool events_pop (Events *q, Event *event);

/* Drop what belongs to transfer 'id'. */
void events_drop (Events *q, uint64_t id);

/* Give the ring back. */
void events_free (Events *q);

#endif
