/* Audio formats by their first bytes: the magic numbers are those of RFC 9639
** (FLAC), RIFF/RF64 (WAV; EBU Tech 3306), ISO/IEC 11172-3 (MP3 frame header),
** ISO/IEC 13818-7 (ADTS), ISO/IEC 14496-12 (ftyp), RFC 3533 (Ogg) and ID3v2. */

#include "format.h"

#include <string.h>

enum { FLAC, WAV, MP3, AAC, M4A, OGG, FORMATS };

static const Format formats[FORMATS] = {
  [FLAC] = {"FLAC", "flac", "audio/flac", true},
  [WAV] = {"WAV", "wav", "audio/wav", true},
  [MP3] = {"MP3", "mp3", "audio/mpeg", true},
  [AAC] = {"AAC", "aac", "audio/aac", true},
  [M4A] = {"M4A", "m4a", "audio/mp4", true},
  [OGG] = {"Ogg", "ogg", "audio/ogg", false},
};

static bool has (const unsigned char *data, size_t size, size_t at,
                 const char *magic) {
  size_t length = strlen(magic);
  return size >= at + length && memcmp(data + at, magic, length) == 0;
}

static bool is_wave (const unsigned char *data, size_t size) {
  return (has(data, size, 0, "RIFF") || has(data, size, 0, "RF64") ||
          has(data, size, 0, "BW64")) &&
         has(data, size, 8, "WAVE");
}

/* Sync word, a version that exists, layer III, a bit rate and a sample rate
** that exist. */
static bool is_mp3_frame (const unsigned char *data, size_t size) {
  return size >= 4 && data[0] == 0xFF && (data[1] & 0xE0) == 0xE0 &&
         (data[1] & 0x18) != 0x08 && (data[1] & 0x06) == 0x02 &&
         (data[2] & 0xF0) != 0xF0 && (data[2] & 0x0C) != 0x0C;
}

/* Sync word, layer 0, a sampling frequency index that exists. */
static bool is_adts_frame (const unsigned char *data, size_t size) {
  return size >= 4 && data[0] == 0xFF && (data[1] & 0xF6) == 0xF0 &&
         (data[2] & 0x3C) <= 0x30;
}

/* The bytes an ID3v2 tag takes, 0 when there is none: its size is written in
** seven bits a byte, and leaves out the header and the footer. */
static size_t id3_size (const unsigned char *data, size_t size) {
  if (size < 10 || !has(data, size, 0, "ID3"))
    return 0;
  return 10 + (data[5] & 0x10 ? 10 : 0) +
         ((size_t)(data[6] & 0x7F) << 21 | (size_t)(data[7] & 0x7F) << 14 |
          (size_t)(data[8] & 0x7F) << 7 | (size_t)(data[9] & 0x7F));
}

static const Format *untagged (const unsigned char *data, size_t size) {
  if (has(data, size, 0, "fLaC"))
    return &formats[FLAC];
  if (is_wave(data, size))
    return &formats[WAV];
  if (has(data, size, 4, "ftyp"))
    return &formats[M4A];
  if (has(data, size, 0, "OggS"))
    return &formats[OGG];
  if (is_adts_frame(data, size) || has(data, size, 0, "ADIF"))
    return &formats[AAC];
  return is_mp3_frame(data, size) ? &formats[MP3] : NULL;
}

const Format *format_detect (const void *data, size_t size) {
  const unsigned char *bytes = data;
  size_t tag = id3_size(bytes, size);
  const Format *behind;
  if (tag == 0)
    return untagged(bytes, size);
  if (tag + 4 > size)
    return &formats[MP3];
  behind = untagged(bytes + tag, size - tag);
  return behind != NULL ? behind : &formats[MP3];
}

const Format *format_at (size_t index) {
  return index < FORMATS ? &formats[index] : NULL;
}
