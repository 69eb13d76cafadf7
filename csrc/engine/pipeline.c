/* The threads of one separation. */

#include "engine/pipeline.h"

#include <pthread.h>

#include <libavutil/error.h>
#include <libavutil/mem.h>

#include "engine/feed.h"
#include "engine/fifo.h"
#include "engine/mask.h"
#include "engine/net.h"

enum { MAX_WORKERS = 16 };

/* The network keeps rows of the grid on the stack: more than some systems give
** a thread, less than most. */
enum { STACK = 1 << 20 };

/* A second of more samples than this, all channels together, is much to keep:
** then the decoder does not work ahead. */
enum { MANY_SAMPLES = 200000 };

/* A slot goes round: the decoder fills it, a worker turns its samples into a
** mask, the writer writes it and gives it back. */
typedef struct Slot {
  Segment segment;
  int masked;
} Slot;

typedef struct Pipeline {
  pthread_mutex_t lock; /* guards all below up to 'fault' */
  pthread_cond_t changed;
  Slot slots[MAX_WORKERS + 1]; /* segment i is in slot i % slot_count */
  int slot_count;
  int thrifty;                    /* do not decode ahead of the slots */
  int64_t filled, taken, written; /* segments, from the first */
  int started;                    /* workers */
  int ended;                      /* 'filled' is final */
  int stopped;                    /* something failed: all threads are to end */
  Fault fault;                    /* the first */
  const atomic_bool *cancel;
  Decoder *decoder; /* the decoding thread's */
  Feed *feed;
  Fifo *mixture;
  Net *net;
  Masker *maskers[MAX_WORKERS]; /* one for each worker */
  Writer *writer;               /* the caller's thread's */
  pthread_attr_t attributes;
  pthread_t threads[MAX_WORKERS + 1];
  int thread_count;
} Pipeline;

static void stop (Pipeline *p, const Fault *fault) {
  pthread_mutex_lock(&p->lock);
  if (!p->stopped)
    p->fault = *fault;
  p->stopped = 1;
  pthread_cond_broadcast(&p->changed);
  pthread_mutex_unlock(&p->lock);
}

/* --- decoding ------------------------------------------------------------- */

/* The slot of the next segment, as soon as it is free; NULL when stopped. */
static Slot *await_slot (Pipeline *p) {
  pthread_mutex_lock(&p->lock);
  while (!p->stopped && p->filled - p->written == p->slot_count)
    pthread_cond_wait(&p->changed, &p->lock);
  Slot *slot = p->stopped ? NULL : &p->slots[p->filled % p->slot_count];
  pthread_mutex_unlock(&p->lock);
  return slot;
}

static void fill_slot (Pipeline *p) {
  Slot *slot = await_slot(p);
  if (slot == NULL)
    return;
  feed_take(p->feed, &slot->segment);
  pthread_mutex_lock(&p->lock);
  slot->masked = 0;
  p->filled++;
  p->ended = slot->segment.last;
  pthread_cond_broadcast(&p->changed);
  pthread_mutex_unlock(&p->lock);
  if (p->thrifty)
    await_slot(p);
}

static int is_stopped (Pipeline *p) {
  pthread_mutex_lock(&p->lock);
  int stopped = p->stopped;
  pthread_mutex_unlock(&p->lock);
  return stopped;
}

/* No samples (NULL, 0) end the mixture. */
static int add_samples (Pipeline *p, const int32_t *samples, int n,
                        Fault *fault) {
  if (feed_add(p->feed, samples, n, fault) < 0)
    return -1;
  while (feed_ready(p->feed) && !is_stopped(p))
    fill_slot(p);
  return 0;
}

/* The writer may need a segment's samples as soon as its mask is there, so
** they go into its queue first. */
static int add_block (Pipeline *p, const int32_t *samples, int n,
                      Fault *fault) {
  int channels = decoder_format(p->decoder)->channels;
  if (fifo_push(p->mixture, samples, n) < 0)
    return fault_memory(fault);
  while (n > 0) {
    int part = n < feed_step(p->feed) ? n : feed_step(p->feed);
    if (add_samples(p, samples, part, fault) < 0)
      return -1;
    samples += part * channels;
    n -= part;
  }
  return 0;
}

static void *run_decoder (void *opaque) {
  Pipeline *p = opaque;
  Fault fault = {0};
  const int32_t *samples;
  int n = 1;
  while (n > 0 && !is_stopped(p)) {
    n = decoder_read(p->decoder, &samples, &fault);
    if (n > 0 && add_block(p, samples, n, &fault) < 0)
      n = -1;
  }
  if (n == 0 && add_samples(p, NULL, 0, &fault) < 0)
    n = -1;
  if (n < 0)
    stop(p, &fault);
  return NULL;
}

/* --- masks ---------------------------------------------------------------- */

/* The next segment not yet taken; NULL if none is left. */
static Slot *take_slot (Pipeline *p) {
  pthread_mutex_lock(&p->lock);
  while (!p->stopped && !p->ended && p->taken == p->filled)
    pthread_cond_wait(&p->changed, &p->lock);
  Slot *slot = NULL;
  if (!p->stopped && p->taken < p->filled)
    slot = &p->slots[p->taken++ % p->slot_count];
  pthread_mutex_unlock(&p->lock);
  return slot;
}

static void *run_worker (void *opaque) {
  Pipeline *p = opaque;
  Slot *slot;
  pthread_mutex_lock(&p->lock);
  Masker *masker = p->maskers[p->started++];
  pthread_mutex_unlock(&p->lock);
  while ((slot = take_slot(p)) != NULL) {
    masker_run(masker, &slot->segment);
    pthread_mutex_lock(&p->lock);
    slot->masked = 1;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
  }
  return NULL;
}

/* --- writing -------------------------------------------------------------- */

static Slot *await_mask (Pipeline *p) {
  pthread_mutex_lock(&p->lock);
  Slot *slot = &p->slots[p->written % p->slot_count];
  while (!p->stopped && !(p->written < p->filled && slot->masked))
    pthread_cond_wait(&p->changed, &p->lock);
  if (p->stopped)
    slot = NULL;
  pthread_mutex_unlock(&p->lock);
  return slot;
}

static void give_back (Pipeline *p) {
  pthread_mutex_lock(&p->lock);
  p->written++;
  pthread_cond_broadcast(&p->changed);
  pthread_mutex_unlock(&p->lock);
}

static void run_writer (Pipeline *p) {
  Fault fault = {0};
  Slot *slot;
  int last = 0, code = 0;
  while (!last && code == 0 && (slot = await_mask(p)) != NULL) {
    last = slot->segment.last;
    if (p->cancel != NULL && atomic_load(p->cancel))
      code = fault_set(&fault, FAULT_INTERNAL, "cancelled");
    else
      code = writer_add(p->writer, &slot->segment, p->mixture, &fault);
    give_back(p);
  }
  if (last && code == 0)
    code = writer_finish(p->writer, &fault);
  if (code < 0)
    stop(p, &fault);
}

/* --- start and end -------------------------------------------------------- */

static int open_workers (Pipeline *p, int workers, int plain, Fault *fault) {
  p->net = net_open(weights_begin, (size_t)(weights_end - weights_begin), plain,
                    fault);
  if (p->net == NULL)
    return -1;
  for (int i = 0; i < workers; i++) {
    p->maskers[i] = masker_open(p->net);
    if (p->maskers[i] == NULL)
      return fault_memory(fault);
  }
  return 0;
}

static int open_slots (Pipeline *p) {
  for (int i = 0; i < p->slot_count; i++)
    if (segment_open(&p->slots[i].segment) < 0)
      return -1;
  return 0;
}

static Pipeline *open_pipeline (Decoder *d, int workers, int plain,
                                Fault *fault) {
  const Format *format = decoder_format(d);
  Pipeline *p = av_mallocz(sizeof *p);
  if (p == NULL)
    return NULL;
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->changed, NULL);
  pthread_attr_init(&p->attributes);
  pthread_attr_setstacksize(&p->attributes, STACK);
  p->thrifty = format->rate * format->channels > MANY_SAMPLES;
  p->slot_count = p->thrifty ? workers : workers + 1;
  p->decoder = d;
  p->feed = feed_open(format, fault);
  p->mixture = fifo_open(format);
  int code = p->feed == NULL ? -1 : 0;
  if (code == 0 && (p->mixture == NULL || open_slots(p) < 0))
    code = fault_memory(fault);
  if (code < 0 || open_workers(p, workers, plain, fault) < 0)
    stop(p, fault);
  return p;
}

static void close_pipeline (Pipeline *p) {
  for (int i = 0; i < p->slot_count; i++)
    segment_close(&p->slots[i].segment);
  for (int i = 0; i < MAX_WORKERS; i++)
    masker_close(p->maskers[i]);
  net_close(p->net);
  feed_close(p->feed);
  fifo_close(p->mixture);
  pthread_attr_destroy(&p->attributes);
  pthread_cond_destroy(&p->changed);
  pthread_mutex_destroy(&p->lock);
  av_free(p);
}

/* A thread may stop the pipeline as soon as it runs: it counts all the same,
** for it has to be joined. */
static void start (Pipeline *p, void *(*run)(void *)) {
  Fault fault = {0};
  if (is_stopped(p))
    return;
  int code =
    pthread_create(&p->threads[p->thread_count], &p->attributes, run, p);
  if (code == 0) {
    p->thread_count++;
    return;
  }
  fault_code(&fault, FAULT_INTERNAL, "cannot start a thread", AVERROR(code));
  stop(p, &fault);
}

int pipeline_run (Decoder *d, Writer *w, const EngineOptions *options,
                  Fault *fault) {
  int workers = options->workers;
  workers = workers < 1 ? 1 : workers > MAX_WORKERS ? MAX_WORKERS : workers;
  Pipeline *p = open_pipeline(d, workers, options->plain, fault);
  if (p == NULL)
    return fault_memory(fault);
  p->writer = w;
  p->cancel = options->cancel;
  start(p, run_decoder);
  for (int i = 0; i < workers; i++)
    start(p, run_worker);
  run_writer(p);
  for (int i = 0; i < p->thread_count; i++)
    pthread_join(p->threads[i], NULL);
  int code = p->stopped ? -1 : 0;
  if (code < 0)
    *fault = p->fault;
  close_pipeline(p);
  return code;
}
