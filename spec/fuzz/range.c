/* Fuzzes the Range header: a part lies within the file, and one of which
** nothing exists is told apart from one that is not understood.
**
** The first eight bytes are the file's size, the ninth how many of them
** count; the rest is the header. */

#include "fuzz.h"

#include <inttypes.h>
#include <strings.h>

#include "sandbox/http/range.h"

typedef struct Part {
  uint64_t first, length;
} Part;

static void check_reads (const char *header, uint64_t size, Part expected) {
  Part found;
  MUST(range_parse(header, size, &found.first, &found.length) == RANGE_PART);
  MUST(found.first == expected.first && found.length == expected.length);
}

/* The same part, in each of the three forms in which it can be asked for. */
static void check_part (uint64_t size, Part part) {
  char header[96];
  MUST(part.length > 0 && part.first < size);
  MUST(part.length <= size - part.first);
  snprintf(header, sizeof header, "bytes=%" PRIu64 "-%" PRIu64, part.first,
           part.first + part.length - 1);
  check_reads(header, size, part);
  if (part.length != size - part.first)
    return;
  snprintf(header, sizeof header, "Bytes=%" PRIu64 "-", part.first);
  check_reads(header, size, part);
  snprintf(header, sizeof header, "bytes=-%" PRIu64, part.length);
  check_reads(header, size, part);
}

/* Where nothing exists, there is no byte at that place in a smaller file
** either, and no other character in the header than these. */
static void check_beyond (const char *header, uint64_t size) {
  Part part;
  MUST(strncasecmp(header, "bytes=", 6) == 0);
  MUST(header[6 + strspn(header + 6, "0123456789-")] == '\0');
  MUST(range_parse(header, size / 2, &part.first, &part.length) ==
       RANGE_BEYOND);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  Input in = {data, size};
  uint64_t number = input_number(&in, 8);
  unsigned shift = input_byte(&in) % 64;
  uint64_t length = number >> shift;
  char *header = input_string(&in);
  Part part;
  switch (range_parse(header, length, &part.first, &part.length)) {
  case RANGE_PART:
    check_part(length, part);
    break;
  case RANGE_BEYOND:
    check_beyond(header, length);
    break;
  case RANGE_WHOLE:
    break;
  }
  free(header);
  return 0;
}
