/* Fuzzes what reads containers: however the bytes are cut, the same is found; and
** a FLAC file that was made here is whole, and nothing that lacks a frame is.
**
** The first byte says whether the input is the file, or what one is made of; the
** second how it is cut. */

#include "fuzz.h"

#include "core/container.h"

enum { FILE_MAX = 1 << 16, FRAMES_MAX = 16 };

typedef struct Found {
  bool whole;
  double duration;
} Found;

static Found read_all (const uint8_t *data, size_t size, size_t piece) {
  Container c;
  Found found;
  container_begin(&c, true);
  for (size_t at = 0; at < size; at += piece) {
    size_t n = size - at < piece ? size - at : piece;
    uint8_t *copy = malloc(n); /* so that a read beyond it is noticed */
    MUST(copy != NULL);
    memcpy(copy, data + at, n);
    container_add(&c, copy, n);
    free(copy);
  }
  found.whole = container_is_whole(&c);
  found.duration = container_duration(&c);
  return found;
}

static Found check_pieces (const uint8_t *data, size_t size, uint8_t piece) {
  Found once = read_all(data, size, size + 1);
  Found often = read_all(data, size, piece + 1u);
  MUST(once.whole == often.whole);
  MUST(once.duration == often.duration);
  MUST(once.duration == -1 || once.duration > 0);
  return once;
}

static uint16_t crc16 (const uint8_t *data, size_t size) {
  uint16_t crc = 0;
  for (size_t i = 0; i < size; i++) {
    crc = (uint16_t)(crc ^ data[i] << 8);
    for (int bit = 0; bit < 8; bit++)
      crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x8005 : crc << 1);
  }
  return crc;
}

static uint8_t crc8 (const uint8_t *data, size_t size) {
  uint8_t crc = 0;
  for (size_t i = 0; i < size; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++)
      crc = (uint8_t)(crc & 0x80 ? crc << 1 ^ 0x07 : crc << 1);
  }
  return crc;
}

/* A frame of 192 samples with any bytes for its sound. */
static size_t write_frame (Input *in, uint8_t *out, uint8_t number) {
  size_t size = 6, sound = input_byte(in);
  uint16_t crc;
  memcpy(out, "\xFF\xF8\x19\x18", 4);
  out[4] = number;
  out[5] = crc8(out, 5);
  while (sound-- > 0)
    out[size++] = input_byte(in);
  crc = crc16(out, size);
  out[size++] = (uint8_t)(crc >> 8);
  out[size++] = (uint8_t)crc;
  return size;
}

static void check_flac (Input *in, uint8_t piece) {
  static uint8_t file[FILE_MAX];
  uint8_t frames = (uint8_t)(input_byte(in) % FRAMES_MAX + 1);
  unsigned samples = frames * 192u;
  size_t size = 42, tag = input_byte(in) % 2 ? 10 : 0, last = 0;
  Found found;
  memset(file, 0, sizeof file);
  memcpy(file, "ID3\4\0\0\0\0\0\0", tag);
  memcpy(file + tag, "fLaC\x80\0\0\x22", 8);
  memcpy(file + tag + 18, "\x0A\xC4\x40\xF0", 4); /* 44.1 kHz */
  file[tag + 24] = (uint8_t)(samples >> 8);
  file[tag + 25] = (uint8_t)samples;
  size += tag;
  for (uint8_t number = 0; number < frames; number++) {
    last = size;
    size += write_frame(in, file + size, number);
  }
  found = check_pieces(file, size, piece);
  MUST(found.whole && found.duration == samples / 44100.0);
  /* Within the last frame a checksum of 16 bits may be right by chance. */
  for (size_t left = in->left % 97; left <= last; left += 97)
    MUST(!read_all(file, left, size).whole);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  Input in = {data, size};
  uint8_t kind = input_byte(&in), piece = input_byte(&in);
  if (size > FILE_MAX / 2)
    return -1;
  if (kind % 2 == 0)
    check_pieces(in.at, in.left, piece);
  else
    check_flac(&in, piece);
  return 0;
}
