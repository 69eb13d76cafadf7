/* Fuzzes the reader of the network's weights.
**
** The input is what happens to the file: how much is cut off at its end, and
** places where bytes are changed.  Where its first byte is odd, the checksum is
** made to fit: then what is inside decides. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "engine/net.h"

enum { HEAD = 12, FRAMES = 3 };

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* The next number of the input; 0 behind its end. */
static uint32_t next (const uint8_t **data, size_t *size) {
  uint32_t value = 0;
  size_t n = *size < sizeof value ? *size : sizeof value;
  memcpy(&value, *data, n);
  *data += n;
  *size -= n;
  return value;
}

static void run (const Net *net) {
  static Spectra spectra;
  static Room *room;
  static Segment segment;
  if (room == NULL) {
    room = net_room();
    if (room == NULL || segment_open(&segment) < 0 ||
        spectra_open(&spectra) < 0)
      abort();
  }
  memset(segment.data, 0, (FRAMES + 2) * GRID_ROW * sizeof(float));
  spectra.frames = FRAMES;
  spectra.rows = segment.data + GRID_ROW;
  for (int i = 0; i < FRAMES * GRID_ROW; i++)
    spectra.rows[i] = (float)(i % 97);
  net_run(net, room, &spectra, segment.data);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  size_t whole = (size_t)(weights_end - weights_begin), length = whole;
  Fault fault = {0};
  if (size < 1)
    return 0;
  int fits = data[0] % 2;
  data++, size--;
  uint8_t *bytes = malloc(whole);
  if (bytes == NULL)
    abort();
  memcpy(bytes, weights_begin, whole);
  length -= next(&data, &size) % whole;
  int changed = length != whole;
  while (size > 0) {
    uint8_t *at = bytes + next(&data, &size) % whole;
    uint8_t value = (uint8_t)next(&data, &size);
    changed |= *at != value && at < bytes + length;
    *at = value;
  }
  if (fits && length > HEAD) {
    uint32_t crc = (uint32_t)crc32(0, bytes + HEAD, (uInt)(length - HEAD));
    memcpy(bytes + 8, &crc, sizeof crc);
  }
  Net *net = net_open(bytes, length, 0, &fault);
  free(bytes);
  if (net == NULL && fault.message[0] == '\0')
    abort();
  if (net == NULL ? !changed : changed && (!fits || length != whole))
    abort();
  if (net != NULL)
    run(net);
  net_close(net);
  return 0;
}
