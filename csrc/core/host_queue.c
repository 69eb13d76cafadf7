/* Queues transfers by host, and spaces starts evenly. */

#include "host_queue.h"

#include <stdlib.h>
#include <string.h>

#include "transfer_private.h"

#define NEVER 9007199254740992.0 /* 2^53: what a double counts to */

static HostQueue *find (HostQueues *queues, const char *origin) {
  HostQueue *queue = queues->first;
  while (queue != NULL && strcmp(queue->origin, origin) != 0)
    queue = queue->next;
  return queue;
}

static HostQueue *add (HostQueues *queues, const char *origin) {
  HostQueue *queue = calloc(1, sizeof *queue);
  if (queue == NULL)
    return NULL;
  queue->origin = strdup(origin);
  if (queue->origin == NULL) {
    free(queue);
    return NULL;
  }
  queue->limit = queue->connections = queues->limit;
  queue->next = queues->first;
  queues->first = queue;
  return queue;
}

static void discard (HostQueues *queues, HostQueue *queue) {
  HostQueue **at = &queues->first;
  while (*at != queue)
    at = &(*at)->next;
  *at = queue->next;
  free(queue->origin);
  free(queue);
}

int host_queue_join (HostQueues *queues, Transfer *t, const char *origin) {
  HostQueue *queue = find(queues, origin);
  if (queue == NULL)
    queue = add(queues, origin);
  if (queue == NULL)
    return -1;
  queue->users++; /* first: it may be the queue in which 't' stands */
  host_queue_part(queues, t);
  t->place.queue = queue;
  return 0;
}

void host_queue_part (HostQueues *queues, Transfer *t) {
  HostQueue *queue = t->place.queue;
  t->place.queue = NULL;
  if (queue != NULL && --queue->users == 0)
    discard(queues, queue);
}

/* Each upload has a connection of its own, and a quarter of them is kept free
** of uploads, which may last for hours while polls must stay on time. */
static bool has_room (const HostQueue *queue, bool is_long) {
  int connections = queue->connections;
  int kept = connections > 1 ? (connections + 3) / 4 : 0;
  if (queue->limit == 0)
    return true;
  return queue->running < queue->limit &&
         (!is_long || queue->running_long < connections - kept);
}

static void admit (HostQueue *queue, Transfer *t) {
  t->place.runs = true;
  queue->running++;
  queue->running_long += t->place.is_long;
}

static Line *line_of (const Transfer *t) {
  HostQueue *queue = t->place.queue;
  return t->place.is_long ? &queue->lengthy : &queue->brief;
}

static void push (Line *q, Transfer *t) {
  t->place.waits = true;
  t->place.next = NULL;
  t->place.previous = q->last;
  if (q->last != NULL)
    q->last->place.next = t;
  else
    q->first = t;
  q->last = t;
}

static void take (Line *q, Transfer *t) {
  HostPlace *p = &t->place;
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

bool host_queue_enter (HostQueues *queues, Transfer *t) {
  HostPlace *p = &t->place;
  if (p->runs || p->waits)
    return p->runs;
  p->turn = ++queues->turns;
  if (line_of(t)->first == NULL && has_room(p->queue, p->is_long))
    admit(p->queue, t);
  else
    push(line_of(t), t);
  return p->runs;
}

/* Of those that may run now, the one that waits longest. */
static Transfer *next_in (HostQueue *queue) {
  Transfer *brief = has_room(queue, false) ? queue->brief.first : NULL;
  Transfer *lengthy = has_room(queue, true) ? queue->lengthy.first : NULL;
  if (brief == NULL || lengthy == NULL)
    return brief != NULL ? brief : lengthy;
  return brief->place.turn < lengthy->place.turn ? brief : lengthy;
}

Transfer *host_queue_leave (Transfer *t) {
  HostQueue *queue = t->place.queue;
  Transfer *next;
  if (queue == NULL)
    return NULL;
  if (t->place.waits)
    take(line_of(t), t);
  if (t->place.runs) {
    t->place.runs = false;
    queue->running--;
    queue->running_long -= t->place.is_long;
  }
  next = next_in(queue);
  if (next != NULL) {
    take(line_of(next), next);
    admit(queue, next);
  }
  return next;
}

void host_queue_widen (Transfer *t, int limit) {
  HostQueue *queue = t->place.queue;
  if (queue->limit != 0 && queue->limit < limit)
    queue->limit = limit;
}

void pace_set (Pace *p, double rate) {
  p->gap = rate > 0 ? 1000 / rate : 0;
}

int64_t pace_take (Pace *p, int64_t now) {
  double at = (double)(now > p->quiet_until ? now : p->quiet_until);
  if (p->gap <= 0)
    return (int64_t)at;
  if (at < p->next)
    at = p->next;
  p->next = at + p->gap < NEVER ? at + p->gap : NEVER;
  return (int64_t)at;
}

void pace_hush (Pace *p, int64_t until) {
  if (until > p->quiet_until)
    p->quiet_until = until;
}
