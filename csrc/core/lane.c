/* Turns of transfers, host by host. */

#include "lane.h"

#include <stdlib.h>
#include <string.h>

#include "operation.h"

static Lane *find (Lanes *lanes, const char *origin) {
  Lane *lane = lanes->first;
  while (lane != NULL && strcmp(lane->origin, origin) != 0)
    lane = lane->next;
  return lane;
}

static Lane *add (Lanes *lanes, const char *origin) {
  Lane *lane = calloc(1, sizeof *lane);
  if (lane == NULL)
    return NULL;
  lane->origin = strdup(origin);
  if (lane->origin == NULL) {
    free(lane);
    return NULL;
  }
  lane->limit = lane->connections = lanes->limit;
  lane->next = lanes->first;
  lanes->first = lane;
  return lane;
}

static void discard (Lanes *lanes, Lane *lane) {
  Lane **at = &lanes->first;
  while (*at != lane)
    at = &(*at)->next;
  *at = lane->next;
  free(lane->origin);
  free(lane);
}

int lane_join (Lanes *lanes, Transfer *t, const char *origin) {
  Lane *lane = find(lanes, origin);
  if (lane == NULL)
    lane = add(lanes, origin);
  if (lane == NULL)
    return -1;
  lane->users++; /* first: it may be the lane in which 't' stands */
  lane_part(lanes, t);
  t->place.lane = lane;
  return 0;
}

void lane_part (Lanes *lanes, Transfer *t) {
  Lane *lane = t->place.lane;
  t->place.lane = NULL;
  if (lane != NULL && --lane->users == 0)
    discard(lanes, lane);
}

/* Each upload has a connection of its own, and a quarter of them is kept free of
** uploads, which may last for hours while polls want to be on time. */
static bool has_room (const Lane *lane, bool is_long) {
  int connections = lane->connections;
  int kept = connections > 1 ? (connections + 3) / 4 : 0;
  if (lane->limit == 0)
    return true;
  return lane->running < lane->limit &&
         (!is_long || lane->running_long < connections - kept);
}

static void admit (Lane *lane, Transfer *t) {
  t->place.runs = true;
  lane->running++;
  lane->running_long += t->place.is_long;
}

static LaneQueue *queue_of (const Transfer *t) {
  Lane *lane = t->place.lane;
  return t->place.is_long ? &lane->lengthy : &lane->brief;
}

static void push (LaneQueue *q, Transfer *t) {
  t->place.waits = true;
  t->place.next = NULL;
  t->place.previous = q->last;
  if (q->last != NULL)
    q->last->place.next = t;
  else
    q->first = t;
  q->last = t;
}

static void take (LaneQueue *q, Transfer *t) {
  LanePlace *p = &t->place;
  if (p->previous != NULL)
    p->previous->place.next = p->next;
  else
    q->first = p->next;
  if (p->next != NULL)
    p->next->place.previous = p->previous;
  else
    q->last = p->previous;
  p->previous = p->next = NULL;
  p->waits = false;
}

bool lane_enter (Lanes *lanes, Transfer *t) {
  LanePlace *p = &t->place;
  if (p->runs || p->waits)
    return p->runs;
  p->turn = ++lanes->turns;
  if (queue_of(t)->first == NULL && has_room(p->lane, p->is_long))
    admit(p->lane, t);
  else
    push(queue_of(t), t);
  return p->runs;
}

/* Of those that may run now, the one that waits longest. */
static Transfer *next_in (Lane *lane) {
  Transfer *brief = has_room(lane, false) ? lane->brief.first : NULL;
  Transfer *lengthy = has_room(lane, true) ? lane->lengthy.first : NULL;
  if (brief == NULL || lengthy == NULL)
    return brief != NULL ? brief : lengthy;
  return brief->place.turn < lengthy->place.turn ? brief : lengthy;
}

Transfer *lane_leave (Transfer *t) {
  Lane *lane = t->place.lane;
  Transfer *next;
  if (lane == NULL)
    return NULL;
  if (t->place.waits)
    take(queue_of(t), t);
  if (t->place.runs) {
    t->place.runs = false;
    lane->running--;
    lane->running_long -= t->place.is_long;
  }
  next = next_in(lane);
  if (next != NULL) {
    take(queue_of(next), next);
    admit(lane, next);
  }
  return next;
}

void lane_widen (Transfer *t, int limit) {
  Lane *lane = t->place.lane;
  if (lane->limit != 0 && lane->limit < limit)
    lane->limit = limit;
}
