/* Audio formats by their first bytes: the magic numbers are those of RFC 9639
** (FLAC), RIFF/RF64 (WAV; EBU Tech 3306), ISO/IEC 11172-3 (MP3 frame header),
** ISO/IEC 13818-7 (ADTS), ISO/IEC 14496-12 (ftyp), RFC 3533 (Ogg), ID3v2 and
** APEv2. */

#include "format.h"

#include <string.h>
#include <unistd.h>

/* Tags, and runs of zeros, that are skipped at most. */
#define LOOKS 4096

/* Where the heads of FLAC, of WAV, of its chunks and of what they hold end. */
enum { MAGIC = 4, FORM = 12, CHUNK = 8, STREAMINFO_END = 38, FORMAT_END = 24 };

enum { FLAC, WAV, MP3, AAC, M4A, OGG, FORMATS };

static const Format formats[FORMATS] = {
  [FLAC] = {"FLAC", "flac", "audio/flac", true},
  [WAV] = {"WAV", "wav", "audio/wav", true},
  [MP3] = {"MP3", "mp3", "audio/mpeg", true},
  [AAC] = {"AAC", "aac", "audio/aac", true},
  [M4A] = {"M4A", "m4a", "audio/mp4", true},
  [OGG] = {"Ogg", "ogg", "audio/ogg", false},
};

/* Other extensions that such files go by. */
static const struct {
  const char *extension;
  int format;
  bool is_recording;
} aliases[] = {
  {"wave", WAV, true}, {"bwf", WAV, true},  {"rf64", WAV, true},
  {"adts", AAC, true}, {"mp4", M4A, true},  {"m4b", M4A, false},
  {"m4v", M4A, false}, {"mov", M4A, false},
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

/* Its size has seven bits per byte, and excludes the header and the footer. */
int64_t format_id3_size (const void *bytes, size_t size) {
  const unsigned char *data = bytes;
  if (size < 10 || !has(data, size, 0, "ID3"))
    return 0;
  return 10 + (data[5] & 0x10 ? 10 : 0) +
         ((int64_t)(data[6] & 0x7F) << 21 | (int64_t)(data[7] & 0x7F) << 14 |
          (int64_t)(data[8] & 0x7F) << 7 | (int64_t)(data[9] & 0x7F));
}

/* The same for an APEv2 tag, whose size excludes only the header. */
static int64_t ape_size (const unsigned char *data, size_t size) {
  if (size < 16 || !has(data, size, 0, "APETAGEX"))
    return 0;
  return 32 + ((int64_t)data[12] | (int64_t)data[13] << 8 |
               (int64_t)data[14] << 16 | (int64_t)data[15] << 24);
}

static int64_t zeros (const unsigned char *data, size_t size) {
  size_t n = 0;
  while (n < size && data[n] == 0)
    n++;
  return (int64_t)n;
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

/* What stands before the audio; "ftyp" begins with the size of its box. */
static int64_t padding (const unsigned char *data, size_t size) {
  int64_t n = format_id3_size(data, size);
  if (n == 0)
    n = ape_size(data, size);
  if (n == 0 && !has(data, size, 4, "ftyp"))
    n = zeros(data, size);
  return n;
}

/* Up to 'room' bytes of a file from 'at' on: how many there are. */
typedef size_t FormatRead (void *file, int64_t at, void *out, size_t room);

static int64_t big (const unsigned char *p, int n) {
  int64_t value = 0;
  while (n-- > 0)
    value = value << 8 | *p++;
  return value;
}

static int64_t little (const unsigned char *p, int n) {
  int64_t value = 0;
  while (n-- > 0)
    value = value << 8 | p[n];
  return value;
}

/* Whether the file ends before its first frame: where the blocks do that stand
** in front of it, or within them. */
static bool is_hollow_flac (FormatRead *read, void *file, int64_t at) {
  unsigned char head[STREAMINFO_END];
  bool is_last = false;
  at += MAGIC;
  if (read(file, at, head, sizeof head) < sizeof head ||
      (head[0] & 0x7F) != 0 || big(head + 1, 3) != STREAMINFO_END - 4)
    return false;
  for (int looks = 0; !is_last && ++looks < LOOKS;) {
    if (read(file, at, head, 4) < 4)
      return true;
    is_last = (head[0] & 0x80) != 0;
    at += 4 + big(head + 1, 3);
  }
  return is_last && read(file, at, head, 1) == 0;
}

/* Whether the file ends behind its format and before its first sample, whatever
** it says of its length. */
static bool is_hollow_wave (FormatRead *read, void *file, int64_t at) {
  unsigned char head[FORMAT_END];
  bool has_format = false;
  at += FORM;
  for (int looks = 0; ++looks < LOOKS;) {
    size_t size = read(file, at, head, sizeof head);
    if (size < CHUNK)
      return has_format;
    if (has(head, size, 0, "data"))
      return has_format && size == CHUNK;
    if (size == FORMAT_END && has(head, size, 0, "fmt "))
      has_format = true;
    at += CHUNK + little(head + 4, 4) + (head[4] & 1);
  }
  return false;
}

/* The format, and where it begins. */
static const Format *find (FormatRead *read, void *file, int64_t *begin) {
  unsigned char data[FORMAT_BYTES];
  int64_t at = 0, skip, looks = 0;
  bool tagged = false;
  do {
    size_t size = read(file, at, data, sizeof data);
    const Format *format = untagged(data, size);
    *begin = at;
    if (format != NULL)
      return format;
    skip = padding(data, size);
    tagged = tagged || format_id3_size(data, size) != 0;
    at += skip;
  } while (skip > 0 && ++looks < LOOKS);
  return tagged ? &formats[MP3] : NULL;
}

static bool is_hollow (FormatRead *read, void *file) {
  int64_t begin;
  const Format *format = find(read, file, &begin);
  if (format == &formats[FLAC])
    return is_hollow_flac(read, file, begin);
  return format == &formats[WAV] && is_hollow_wave(read, file, begin);
}

typedef struct Bytes {
  const unsigned char *data;
  size_t size;
} Bytes;

static size_t read_bytes (void *file, int64_t at, void *out, size_t room) {
  const Bytes *bytes = file;
  size_t left = at < (int64_t)bytes->size ? bytes->size - (size_t)at : 0;
  if (room > left)
    room = left;
  if (room > 0)
    memcpy(out, bytes->data + at, room);
  return room;
}

const Format *format_detect (const void *data, size_t size) {
  Bytes bytes = {data, size};
  int64_t begin;
  return find(read_bytes, &bytes, &begin);
}

bool format_is_hollow (const void *data, size_t size) {
  Bytes bytes = {data, size};
  return is_hollow(read_bytes, &bytes);
}

static size_t read_file (void *file, int64_t at, void *out, size_t room) {
  ssize_t n = pread(*(const int *)file, out, room, (off_t)at);
  return n > 0 ? (size_t)n : 0;
}

const Format *format_of_file (int fd) {
  int64_t begin;
  return find(read_file, &fd, &begin);
}

bool format_is_hollow_file (int fd) {
  return is_hollow(read_file, &fd);
}

const Format *format_at (size_t index) {
  return index < FORMATS ? &formats[index] : NULL;
}

const Format *format_named (const char *extension, bool *is_recording) {
  for (size_t i = 0; i < FORMATS; i++)
    if (strcmp(formats[i].extension, extension) == 0) {
      *is_recording = formats[i].accepted;
      return &formats[i];
    }
  for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
    if (strcmp(aliases[i].extension, extension) == 0) {
      *is_recording = aliases[i].is_recording;
      return &formats[aliases[i].format];
    }
  return NULL;
}
