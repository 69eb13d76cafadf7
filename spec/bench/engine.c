/* engine: separate one file with the built-in engine, for benches and
** fuzzing.  Prints one line of figures; exits 0, 1 for a failed separation,
** 2 for a wrong command line. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "engine/engine.h"

static const char usage[] =
  "usage: engine IN FOREGROUND BACKGROUND [--workers N] [--dump DIR]\n";

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

int main (int argc, char **argv) {
  const char *paths[3] = { NULL, NULL, NULL };
  EngineOptions options = { 1, NULL };
  EngineReport report;
  int count = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--workers") == 0 && i + 1 < argc)
      options.workers = atoi(argv[++i]);
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
  return 0;
}
