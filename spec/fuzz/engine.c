/* Fuzzes the engine from decoding to the written stems (libFuzzer).
**
** Whatever the bytes are, the engine must end; where it says that it has
** separated them, the stems must sum to the mixture.  The first byte chooses
** the number of workers, the rest is the file. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/decode.h"
#include "engine/engine.h"

/* A few bytes can stand for hours of silence. */
enum { MAX_SECONDS = 30 };

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

typedef struct Reader {
  Decoder *decoder;
  const int32_t *samples;
  int left; /* of 'samples', all channels together */
} Reader;

static char folder[] = "/tmp/fuzz-engine-XXXXXX";
static char input[64], stems[2][64];

static void remove_folder (void) {
  unlink(input);
  unlink(stems[0]);
  unlink(stems[1]);
  rmdir(folder);
}

static void make_folder (void) {
  if (mkdtemp(folder) == NULL)
    abort();
  snprintf(input, sizeof input, "%s/input", folder);
  snprintf(stems[0], sizeof stems[0], "%s/foreground.flac", folder);
  snprintf(stems[1], sizeof stems[1], "%s/background.flac", folder);
  atexit(remove_folder);
}

static void write_input (const uint8_t *data, size_t size) {
  FILE *file = fopen(input, "wb");
  if (file == NULL || fwrite(data, 1, size, file) != size)
    abort();
  fclose(file);
}

static void reader_open (Reader *r, const char *path) {
  Fault fault = {0};
  memset(r, 0, sizeof *r);
  r->decoder = decoder_open(path, NULL, &fault);
  if (r->decoder == NULL)
    abort();
}

/* The next sample; 0 at the end. */
static int reader_next (Reader *r, int32_t *sample) {
  Fault fault = {0};
  if (r->left == 0) {
    int n = decoder_read(r->decoder, &r->samples, &fault);
    if (n < 0)
      abort();
    r->left = n * decoder_format(r->decoder)->channels;
  }
  if (r->left == 0)
    return 0;
  r->left--;
  *sample = *r->samples++;
  return 1;
}

static void check_format (const Reader *r, const EngineReport *report) {
  const Format *format = decoder_format(r->decoder);
  if (format->rate != report->rate || format->channels != report->channels ||
      format->bits != report->bits)
    abort();
}

static void check_sum (const EngineReport *report) {
  Reader readers[3];
  int32_t mixture = 0, foreground = 0, background = 0;
  int64_t count = 0;
  reader_open(&readers[0], input);
  reader_open(&readers[1], stems[0]);
  reader_open(&readers[2], stems[1]);
  for (int i = 0; i < 3; i++)
    check_format(&readers[i], report);
  while (reader_next(&readers[0], &mixture)) {
    if (!reader_next(&readers[1], &foreground) ||
        !reader_next(&readers[2], &background) ||
        foreground + background != mixture)
      abort();
    count++;
  }
  if (reader_next(&readers[1], &foreground) ||
      reader_next(&readers[2], &background) ||
      count != report->samples * report->channels)
    abort();
  for (int i = 0; i < 3; i++)
    decoder_close(readers[i].decoder);
}

/* A failed separation gives a reason and a sentence, and leaves no stem. */
static void check_failure (const EngineReport *report) {
  if (report->reason == NULL || report->message[0] == '\0' ||
      access(stems[0], F_OK) == 0 || access(stems[1], F_OK) == 0)
    abort();
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  EngineOptions options = {.max_seconds = MAX_SECONDS};
  EngineReport report;
  if (size < 2)
    return 0;
  if (input[0] == '\0')
    make_folder();
  options.workers = 1 + data[0] % 2;
  write_input(data + 1, size - 1);
  if (engine_separate(input, stems[0], stems[1], &options, &report) < 0) {
    check_failure(&report);
    return 0;
  }
  check_sum(&report);
  unlink(stems[0]);
  unlink(stems[1]);
  return 0;
}
