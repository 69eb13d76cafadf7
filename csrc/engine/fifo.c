/* The mixture on its way from the decoder to the writer. */

#include "engine/fifo.h"

#include <pthread.h>
#include <stdlib.h>

enum { BLOCK = 1 << 15 }; /* samples, all channels together */

typedef struct Block {
  struct Block *next;
  int start, end; /* what is in it */
  union {         /* 16-bit mixtures take half the room */
    int16_t narrow[BLOCK];
    int32_t wide[BLOCK / 2];
  } as;
} Block;

struct Fifo {
  pthread_mutex_t lock;
  Block *head, *tail;
  int capacity; /* of one block */
  int channels;
  int64_t pushed; /* samples, all channels together */
};

Fifo *fifo_open (const Format *format) {
  Fifo *f = calloc(1, sizeof *f);
  if (f == NULL)
    return NULL;
  pthread_mutex_init(&f->lock, NULL);
  f->channels = format->channels;
  f->capacity = format->bits == 16 ? BLOCK : BLOCK / 2;
  return f;
}

static void drop_head (Fifo *f) {
  Block *b = f->head;
  f->head = b->next;
  if (f->head == NULL)
    f->tail = NULL;
  free(b);
}

void fifo_close (Fifo *f) {
  if (f == NULL)
    return;
  while (f->head != NULL)
    drop_head(f);
  pthread_mutex_destroy(&f->lock);
  free(f);
}

static Block *open_tail (Fifo *f) {
  if (f->tail != NULL && f->tail->end < f->capacity)
    return f->tail;
  Block *b = malloc(sizeof *b);
  if (b == NULL)
    return NULL;
  b->next = NULL;
  b->start = b->end = 0;
  if (f->tail != NULL)
    f->tail->next = b;
  else
    f->head = b;
  return f->tail = b;
}

static int push (Fifo *f, const int32_t *samples, int count) {
  while (count > 0) {
    Block *b = open_tail(f);
    if (b == NULL)
      return -1;
    int room = f->capacity - b->end, part = count < room ? count : room;
    for (int i = 0; i < part; i++, b->end++)
      if (f->capacity == BLOCK)
        b->as.narrow[b->end] = (int16_t)samples[i];
      else
        b->as.wide[b->end] = samples[i];
    samples += part;
    count -= part;
    f->pushed += part;
  }
  return 0;
}

static int pull (Fifo *f, int32_t *samples, int count) {
  int got = 0;
  while (got < count && f->head != NULL) {
    Block *b = f->head;
    for (; got < count && b->start < b->end; b->start++)
      samples[got++] =
        f->capacity == BLOCK ? b->as.narrow[b->start] : b->as.wide[b->start];
    if (b->start == b->end)
      drop_head(f);
  }
  return got;
}

int fifo_push (Fifo *f, const int32_t *samples, int n) {
  pthread_mutex_lock(&f->lock);
  int code = push(f, samples, n * f->channels);
  pthread_mutex_unlock(&f->lock);
  return code;
}

int fifo_pull (Fifo *f, int32_t *samples, int n) {
  pthread_mutex_lock(&f->lock);
  int got = pull(f, samples, n * f->channels);
  pthread_mutex_unlock(&f->lock);
  return got / f->channels;
}

int64_t fifo_total (Fifo *f) {
  pthread_mutex_lock(&f->lock);
  int64_t pushed = f->pushed;
  pthread_mutex_unlock(&f->lock);
  return pushed / f->channels;
}
