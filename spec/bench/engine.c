/* engine: separate one file with the built-in engine, for benches and
** fuzzing.  Prints one line of figures; exits 0, 1 for a failed separation,
** 2 for a wrong command line.
**
** --dump DIR also writes what the network sees in the file's first segment and
** what it makes of it: DIR/energies.f32 and DIR/mask.f32, as raw floats, frame
** by frame 1024 bins along the lead's direction and 1024 across it.  --plain
** does without AVX2. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "engine/decode.h"
#include "engine/engine.h"
#include "engine/feed.h"
#include "engine/net.h"

static const char usage[] =
  "usage: engine IN FOREGROUND BACKGROUND [--workers N] [--max-seconds N]\n"
  "              [--max-bytes N] [--plain] [--dump DIR]\n";

static double now (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print_figures (const EngineReport *r, double seconds) {
  struct rusage usage_self;
  getrusage(RUSAGE_SELF, &usage_self);
  double cpu = (double)usage_self.ru_utime.tv_sec +
               (double)usage_self.ru_utime.tv_usec / 1e6;
  printf("rate=%d channels=%d bits=%d samples=%lld seconds=%.3f cpu=%.3f "
         "peak_mb=%.1f speed=%.1f message=\"%s\"\n",
         r->rate, r->channels, r->bits, (long long)r->samples, seconds, cpu,
         (double)usage_self.ru_maxrss / 1024,
         (double)r->samples / r->rate / seconds, r->message);
}

/* --- dump ----------------------------------------------------------------- */

static void die (const char *what) {
  fprintf(stderr, "engine: %s\n", what);
  exit(1);
}

static FILE *create (const char *dir, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *file = fopen(path, "wb");
  if (file == NULL)
    die("cannot write the dump");
  return file;
}

static void write_planes (const float *rows, int frames, const char *dir,
                          const char *name) {
  FILE *file = create(dir, name);
  for (int t = 0; t < frames; t++)
    fwrite(rows + (size_t)t * GRID_ROW, sizeof(float), 2 * GRID_BINS, file);
  fclose(file);
}

/* The samples of the first segment. */
static void read_segment (const char *path, Segment *s) {
  Fault fault = {0};
  const int32_t *samples;
  Decoder *d = decoder_open(path, NULL, &fault);
  Feed *f = d != NULL ? feed_open(decoder_format(d), &fault) : NULL;
  int n = 1;
  if (f == NULL)
    die(fault.message);
  while (!feed_ready(f) && n > 0) {
    n = decoder_read(d, &samples, &fault);
    for (int at = 0; at < n && !feed_ready(f); at += feed_step(f))
      feed_add(f, samples + at * decoder_format(d)->channels,
               n - at < feed_step(f) ? n - at : feed_step(f), &fault);
  }
  if (!feed_ready(f))
    feed_add(f, NULL, 0, &fault);
  feed_take(f, s);
  feed_close(f);
  decoder_close(d);
}

static void dump (const char *path, const char *dir, int plain) {
  Fault fault = {0};
  Segment s = {0};
  static Spectra spectra;
  Net *net = net_open(weights_begin, (size_t)(weights_end - weights_begin),
                      plain, &fault);
  Room *room = net_room();
  if (net == NULL)
    die(fault.message);
  if (room == NULL || segment_open(&s) < 0 || spectra_open(&spectra) < 0)
    die("not enough memory");
  read_segment(path, &s);
  spectra_make(&spectra, &s);
  write_planes(spectra.rows, spectra.frames, dir, "energies.f32");
  net_run(net, room, &spectra, s.data);
  write_planes(s.data, spectra.frames, dir, "mask.f32");
  spectra_close(&spectra);
  net_leave(room);
  net_close(net);
  segment_close(&s);
}

/* --- command -------------------------------------------------------------- */

int main (int argc, char **argv) {
  const char *paths[3] = {NULL, NULL, NULL};
  EngineOptions options = {.workers = 1};
  EngineReport report;
  const char *dump_dir = NULL;
  int count = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--workers") == 0 && i + 1 < argc)
      options.workers = atoi(argv[++i]);
    else if (strcmp(argv[i], "--max-seconds") == 0 && i + 1 < argc)
      options.max_seconds = atof(argv[++i]);
    else if (strcmp(argv[i], "--max-bytes") == 0 && i + 1 < argc)
      options.max_bytes = atoll(argv[++i]);
    else if (strcmp(argv[i], "--plain") == 0)
      options.plain = 1;
    else if (strcmp(argv[i], "--dump") == 0 && i + 1 < argc)
      dump_dir = argv[++i];
    else if (count < 3)
      paths[count++] = argv[i];
  }
  if (count < 3) {
    fputs(usage, stderr);
    return 2;
  }
  double start = now();
  if (engine_separate(paths[0], paths[1], paths[2], &options, &report) < 0) {
    printf("%s: %s\n", report.reason, report.message);
    return 1;
  }
  print_figures(&report, now() - start);
  if (dump_dir != NULL)
    dump(paths[0], dump_dir, options.plain);
  return 0;
}
