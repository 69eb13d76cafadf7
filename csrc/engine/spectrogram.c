/* The spectrogram of a sound, for columns of equal time. */

#include "engine/spectrogram.h"

#include <math.h>
#include <string.h>

#include <libavutil/mem.h>
#include <libavutil/tx.h>

enum { BINS = 4 };             /* for each column, at most */
enum { FRAMES_A_SECOND = 25 }; /* at least, if they did not overlap by half */
#define LOWEST 50.0
#define HIGHEST 16000.0
#define RANGE_DB 96.0

/* Bins of the mean power of 'width' frames; when all are used, pairs of them
** become one. */
struct Spectrogram {
  int columns, rows;
  int size;  /* samples of a frame */
  int ready; /* samples of the next frame that are there */
  int count; /* of full bins */
  int room;
  int64_t width;
  int64_t filled; /* frames in the bin behind the full ones */
  double scale, highest;
  int *edges;     /* rows + 1 bins of the transform, from the lowest */
  float *samples; /* size */
  float *window, *time;
  AVComplexFloat *spectrum;
  AVTXContext *transform;
  av_tx_fn run;
  float *bins; /* (room + 1) * rows */
};

static double mel (double hz) {
  return log1p(hz / 700);
}

static int make_window (Spectrogram *s) {
  s->window = av_malloc_array((size_t)s->size, sizeof *s->window);
  if (s->window == NULL)
    return -1;
  for (int i = 0; i < s->size; i++)
    s->window[i] = (float)((0.5 - 0.5 * cos(2 * M_PI * i / s->size)) *
                           (4.0 / s->size) / s->scale);
  return 0;
}

/* Each row has one bin of the transform at least. */
static int make_edges (Spectrogram *s, int rate) {
  double from = mel(LOWEST), to = mel(s->highest);
  s->edges = av_malloc_array((size_t)s->rows + 1, sizeof *s->edges);
  if (s->edges == NULL)
    return -1;
  for (int i = 0; i <= s->rows; i++) {
    double hz = 700 * expm1(from + (to - from) * i / s->rows);
    s->edges[i] = (int)(hz * s->size / rate);
  }
  return 0;
}

static int prepare (Spectrogram *s, int rate) {
  float one = 1;
  size_t size = (size_t)s->size;
  s->samples = av_mallocz(size * sizeof *s->samples);
  s->time = av_malloc_array(size, sizeof *s->time);
  s->spectrum = av_mallocz((size / 2 + 1) * sizeof *s->spectrum);
  s->bins = av_calloc((size_t)(s->room + 1) * (size_t)s->rows, sizeof *s->bins);
  if (!s->samples || !s->time || !s->spectrum || !s->bins ||
      make_window(s) < 0 || make_edges(s, rate) < 0)
    return -1;
  return av_tx_init(&s->transform, &s->run, AV_TX_FLOAT_RDFT, 0, s->size, &one,
                    0);
}

Spectrogram *spectrogram_new (int columns, int rows, int rate, double scale) {
  Spectrogram *s = av_mallocz(sizeof *s);
  if (s == NULL)
    return NULL;
  s->columns = columns;
  s->rows = rows;
  s->room = columns * BINS;
  s->width = 1;
  s->scale = scale;
  s->highest = rate / 2.0 < HIGHEST ? rate / 2.0 : HIGHEST;
  for (s->size = 64; s->size < rate / FRAMES_A_SECOND;)
    s->size *= 2;
  s->ready = s->size / 2; /* the first frame's middle is the first sample */
  if (prepare(s, rate) >= 0)
    return s;
  spectrogram_free(s);
  return NULL;
}

void spectrogram_free (Spectrogram *s) {
  if (s == NULL)
    return;
  av_tx_uninit(&s->transform);
  av_freep(&s->edges);
  av_freep(&s->samples);
  av_freep(&s->window);
  av_freep(&s->time);
  av_freep(&s->spectrum);
  av_freep(&s->bins);
  av_free(s);
}

double spectrogram_lowest (const Spectrogram *s) {
  return s->highest < LOWEST ? s->highest : LOWEST;
}

double spectrogram_highest (const Spectrogram *s) {
  return s->highest;
}

static float *bin (Spectrogram *s, int i) {
  return s->bins + (size_t)i * (size_t)s->rows;
}

static void halve (Spectrogram *s) {
  for (int i = 0; i < s->room / 2; i++)
    for (int row = 0; row < s->rows; row++)
      bin(s, i)[row] = (bin(s, 2 * i)[row] + bin(s, 2 * i + 1)[row]) / 2;
  memset(bin(s, s->room / 2), 0,
         (size_t)(s->room - s->room / 2) * (size_t)s->rows * sizeof *s->bins);
  s->count = s->room / 2;
  s->width *= 2;
}

/* The loudest of the bins of the transform that 'row' has. */
static float row_power (const Spectrogram *s, int row) {
  int first = s->edges[row], end = s->edges[row + 1], last = s->size / 2;
  float most = 0;
  for (int k = first; k <= last && (k < end || k == first); k++) {
    AVComplexFloat x = s->spectrum[k];
    float power = x.re * x.re + x.im * x.im;
    if (power > most)
      most = power;
  }
  return most;
}

static void add_frame (Spectrogram *s) {
  int half = s->size / 2;
  float *sums = bin(s, s->count);
  for (int i = 0; i < s->size; i++)
    s->time[i] = s->samples[i] * s->window[i];
  s->run(s->transform, s->spectrum, s->time, sizeof(float));
  for (int row = 0; row < s->rows; row++)
    sums[row] += row_power(s, row) / (float)s->width;
  memmove(s->samples, s->samples + half, (size_t)half * sizeof *s->samples);
  s->ready = half;
  if (++s->filled < s->width)
    return;
  s->filled = 0;
  if (++s->count == s->room)
    halve(s);
}

void spectrogram_add (Spectrogram *s, const int32_t *samples, int n,
                      int channels) {
  for (int i = 0; i < n; i++, samples += channels) {
    float sum = 0;
    for (int c = 0; c < channels; c++)
      sum += (float)samples[c];
    s->samples[s->ready++] = sum / (float)channels;
    if (s->ready == s->size)
      add_frame(s);
  }
}

static uint8_t level (double power) {
  double db = power > 0 ? 10 * log10(power) : -RANGE_DB;
  double part = (db + RANGE_DB) / RANGE_DB;
  return (uint8_t)(part < 0 ? 0 : part > 1 ? 255 : lrint(255 * part));
}

/* The last frame is what is left, and silence; a bin that is not full holds as
** much of its mean as it has frames. */
static int64_t finish (Spectrogram *s) {
  memset(s->samples + s->ready, 0,
         (size_t)(s->size - s->ready) * sizeof *s->samples);
  add_frame(s);
  for (int row = 0; s->filled > 0 && row < s->rows; row++)
    bin(s, s->count)[row] *= (float)s->width / (float)s->filled;
  return s->count + (s->filled > 0);
}

void spectrogram_read (Spectrogram *s, uint8_t *cells) {
  int64_t count = finish(s);
  for (int i = 0; i < s->columns; i++) {
    int64_t first = i * count / s->columns;
    int64_t end = (i + 1) * count / s->columns;
    for (int row = 0; row < s->rows; row++) {
      double sum = bin(s, (int)first)[row];
      for (int64_t k = first + 1; k < end; k++)
        sum += bin(s, (int)k)[row];
      sum /= end > first ? (double)(end - first) : 1;
      cells[(s->rows - 1 - row) * s->columns + i] = level(sum);
    }
  }
}
