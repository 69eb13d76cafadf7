/* Tags and padding around raw audio. */

#include "engine/tags.h"

#include <string.h>

#include <libavutil/intreadwrite.h>

enum { HEAD = 32 };           /* the longest header of a tag */
enum { TAGS_MAX = 16 };       /* in front of one another */
enum { ZEROS_MAX = 1 << 20 }; /* behind each of them */

/* The bytes that a tag takes, 0 if there is none. */
static int64_t tag_size (const uint8_t *b) {
  if (memcmp(b, "ID3", 3) == 0 && ((b[6] | b[7] | b[8] | b[9]) & 0x80) == 0)
    return 10 + (b[5] & 0x10 ? 10 : 0) +
           ((int64_t)b[6] << 21 | b[7] << 14 | b[8] << 7 | b[9]);
  if (memcmp(b, "APETAGEX", 8) == 0)
    return HEAD + (int64_t)AV_RL32(b + 12);
  return 0;
}

static int64_t skip_zeros (AVIOContext *io, int64_t at) {
  int64_t from = at;
  avio_seek(io, at, SEEK_SET);
  while (at - from < ZEROS_MAX && avio_r8(io) == 0 && !avio_feof(io))
    at++;
  return at;
}

static const char *demuxer_of (const uint8_t *b) {
  if (memcmp(b, "fLaC", 4) == 0)
    return "flac";
  if (memcmp(b, "RIFF", 4) == 0)
    return "wav";
  if (b[0] != 0xFF || (b[1] & 0xE0) != 0xE0)
    return NULL;
  return (b[1] & 0xF6) == 0xF0 ? "aac" : "mp3";
}

int64_t tags_end (AVIOContext *io, const char **demuxer) {
  uint8_t head[HEAD];
  int64_t at = 0;
  for (int i = 0; i < TAGS_MAX; i++) {
    memset(head, 0, sizeof head);
    avio_seek(io, at, SEEK_SET);
    if (avio_read(io, head, sizeof head) < 4)
      return 0;
    if (head[0] != 0 && tag_size(head) == 0) {
      *demuxer = demuxer_of(head);
      return *demuxer != NULL ? at : 0;
    }
    at = skip_zeros(io, at + tag_size(head));
  }
  return 0;
}

static int begins (const uint8_t *bytes, size_t n, const char *magic) {
  size_t length = strlen(magic);
  return n >= length && memcmp(bytes, magic, length) == 0;
}

int tags_are (const uint8_t *bytes, size_t n) {
  static const char *const magics[] = {"TAG", "ID3", "APETAGEX", "LYRICSBEGIN"};
  for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
    if (begins(bytes, n, magics[i]))
      return 1;
  while (n > 0 && bytes[n - 1] == 0)
    n--;
  return n == 0;
}
