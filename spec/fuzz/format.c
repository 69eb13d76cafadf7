/* Fuzzes the detection of audio formats by their first bytes. */

#include "fuzz.h"

#include "core/format.h"

enum { MAGIC = 12, TAG = 10, TAG_MAX = 127 };

static void check_known (const Format *format) {
  size_t i = 0;
  while (format_at(i) != NULL && format_at(i) != format)
    i++;
  MUST(format_at(i) == format);
}

static const Format *mp3 (void) {
  size_t i = 0;
  while (strcmp(format_at(i)->name, "MP3") != 0)
    i++;
  return format_at(i);
}

static bool is_padded (const uint8_t *data) {
  return memcmp(data, "ID3", 3) == 0 || memcmp(data, "APETAGEX", 8) == 0 ||
         data[0] == 0;
}

/* With every magic number in sight, which a tag or zeros may hide, the rest of
** the file changes nothing. */
static void check_beginnings (const uint8_t *data, size_t size) {
  const Format *whole = format_detect(data, size);
  for (size_t n = MAGIC; n < size && n <= FORMAT_BYTES; n++) {
    uint8_t *copy = malloc(n); /* so that a read beyond it is noticed */
    const Format *part;
    memcpy(copy, data, n);
    part = format_detect(copy, n);
    MUST(part == NULL || part == whole || is_padded(data));
    free(copy);
  }
}

/* Behind a tag the same is found, or MP3. */
static void check_tagged (const uint8_t *data, size_t size) {
  const Format *plain = format_detect(data, size), *tagged;
  size_t length = size % (TAG_MAX + 1);
  uint8_t *copy = calloc(1, TAG + length + size);
  MUST(copy != NULL);
  memcpy(copy, "ID3\4\0\0\0\0\0", TAG - 1);
  copy[TAG - 1] = (uint8_t)length;
  if (size > 0)
    memcpy(copy + TAG + length, data, size);
  tagged = format_detect(copy, TAG + length + size);
  MUST(tagged == mp3() || tagged == plain);
  free(copy);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  const Format *format = format_detect(data, size);
  if (format != NULL)
    check_known(format);
  check_beginnings(data, size);
  check_tagged(data, size);
  format_is_hollow(data, size);
  return 0;
}
