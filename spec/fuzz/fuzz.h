/* What the fuzz targets share: conditions that must hold, and a reader that
** takes the input apart. */

#ifndef CAMB_FUZZ_H
#define CAMB_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What libFuzzer calls; 0: the input may go into the corpus. */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Ends the run, with the input saved, where 'condition' is false. */
#define MUST(condition)                                                        \
  ((condition) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #condition))

static inline void fuzz_broken (const char *file, int line, const char *what) {
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
  abort();
}

typedef struct Input {
  const uint8_t *at;
  size_t left;
} Input;

/* The next byte; 0 at the end. */
static inline uint8_t input_byte (Input *in) {
  if (in->left == 0)
    return 0;
  in->left--;
  return *in->at++;
}

/* The next 'n' bytes as a number, the lowest first. */
static inline uint64_t input_number (Input *in, int n) {
  uint64_t number = 0;
  for (int i = 0; i < n; i++)
    number |= (uint64_t)input_byte(in) << (8 * i);
  return number;
}

/* 'n' bytes at 'p' as a fresh string, which ends at the first NUL in them. */
static inline char *fuzz_string (const void *p, size_t n) {
  char *text = malloc(n + 1);
  MUST(text != NULL);
  if (n > 0)
    memcpy(text, p, n);
  text[n] = '\0';
  return text;
}

/* All that is left, as a fresh string. */
static inline char *input_string (Input *in) {
  char *text = fuzz_string(in->at, in->left);
  in->left = 0;
  return text;
}

#endif
