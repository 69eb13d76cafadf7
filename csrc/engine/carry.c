/* What one segment learns from those before it. */

#include "engine/carry.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* About two minutes; longer memories follow a change too slowly. */
enum { MEMORY = 5 };

enum { STEPS = 3 };

typedef struct Record {
  float values[SEGMENT_FRAMES];
  int count;
} Record;

struct Carry {
  pthread_mutex_t lock;
  pthread_cond_t moved;
  int64_t turn[STEPS]; /* the segment whose turn it is */
  Spectrum spectra[MEMORY];
  Record energies[MEMORY];
  float compressed[MEMORY];
  Record saliences[MEMORY];
  float sorted[MEMORY * SEGMENT_FRAMES];
};

Carry *carry_open (void) {
  Carry *c = calloc(1, sizeof *c);
  if (c == NULL)
    return NULL;
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->moved, NULL);
  return c;
}

void carry_close (Carry *c) {
  if (c == NULL)
    return;
  pthread_cond_destroy(&c->moved);
  pthread_mutex_destroy(&c->lock);
  free(c);
}

static void begin (Carry *c, int step, int64_t index) {
  pthread_mutex_lock(&c->lock);
  while (c->turn[step] != index)
    pthread_cond_wait(&c->moved, &c->lock);
}

static void end (Carry *c, int step) {
  c->turn[step]++;
  pthread_cond_broadcast(&c->moved);
  pthread_mutex_unlock(&c->lock);
}

/* --- step 1 --------------------------------------------------------------- */

static void add_row (float *sum, const float *row) {
  for (int k = 0; k < GRID_ROW; k++)
    sum[k] += row[k];
}

static void add_spectrum (Spectrum *sum, const Spectrum *s) {
  sum->frames += s->frames;
  sum->power += s->power;
  sum->difference += s->difference;
  for (int i = 0; i < PAN_BINS; i++)
    sum->histogram[i] += s->histogram[i];
  add_row(sum->level, s->level);
  add_row(sum->left, s->left);
  add_row(sum->right, s->right);
  add_row(sum->cross, s->cross);
}

void carry_spectrum (Carry *c, int64_t index, Spectrum *sums) {
  begin(c, 0, index);
  c->spectra[index % MEMORY] = *sums;
  for (int64_t i = 1; i < MEMORY && i <= index; i++)
    add_spectrum(sums, &c->spectra[(index - i) % MEMORY]);
  end(c, 0);
}

/* --- steps 2 and 3 -------------------------------------------------------- */

static int by_size (const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* Keep the values of this segment; collect and sort all that are kept. */
static int remember (Carry *c, Record *records, int64_t index,
                     const float *values, int n) {
  int total = 0;
  Record *own = &records[index % MEMORY];
  memcpy(own->values, values, (size_t)n * sizeof *values);
  own->count = n;
  for (int i = 0; i < MEMORY; i++) {
    memcpy(c->sorted + total, records[i].values,
           (size_t)records[i].count * sizeof *values);
    total += records[i].count;
  }
  qsort(c->sorted, (size_t)total, sizeof *c->sorted, by_size);
  return total;
}

/* Between the two values around the place, linearly. */
static float percentile (const float *sorted, int n, double part) {
  double place = part * (n - 1);
  int low = (int)place, high = low + 1 < n ? low + 1 : low;
  return (float)(sorted[low] + (place - low) * (sorted[high] - sorted[low]));
}

static float standard_deviation (const float *values, int n) {
  double sum = 0, squares = 0;
  for (int i = 0; i < n; i++)
    sum += values[i];
  for (int i = 0; i < n; i++)
    squares += (values[i] - sum / n) * (values[i] - sum / n);
  return (float)sqrt(squares / n);
}

float carry_energy (Carry *c, int64_t index, const float *energy, int n,
                    float *compressed) {
  begin(c, 1, index);
  int total = remember(c, c->energies, index, energy, n);
  float loud = percentile(c->sorted, total, 0.95);
  double sum = 0;
  c->compressed[index % MEMORY] = *compressed * (float)n;
  for (int i = 0; i < MEMORY; i++)
    sum += c->compressed[i];
  *compressed = (float)(sum / total);
  end(c, 1);
  return loud;
}

float carry_salience (Carry *c, int64_t index, const float *salience, int n,
                      float *deviation) {
  begin(c, 2, index);
  int total = remember(c, c->saliences, index, salience, n);
  float median = percentile(c->sorted, total, 0.5);
  *deviation = standard_deviation(c->sorted, total);
  end(c, 2);
  return median;
}
