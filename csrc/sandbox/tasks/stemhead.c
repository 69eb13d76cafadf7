/* ETag, Last-Modified, Repr-Digest and Content-Type of stems. */

#include "sandbox/tasks/stemhead.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <libavutil/base64.h>

static const char *type_of (const char *file) {
  static const char *const types[][2] = {
    {".flac", "audio/flac"}, {".wav", "audio/wav"}, {".mp3", "audio/mpeg"},
    {".m4a", "audio/mp4"},   {".aac", "audio/aac"}, {".ogg", "audio/ogg"},
    {".opus", "audio/ogg"},
  };
  const char *dot = strrchr(file, '.');
  for (size_t i = 0; dot != NULL && i < sizeof types / sizeof types[0]; i++)
    if (strcasecmp(dot, types[i][0]) == 0)
      return types[i][1];
  return "application/octet-stream";
}

static int nibble (char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void write_digest (char *out, size_t size, const char *hex) {
  uint8_t bytes[DIGEST_BYTES];
  char text[AV_BASE64_SIZE(DIGEST_BYTES)];
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
  av_base64_encode(text, sizeof text, bytes, sizeof bytes);
  snprintf(out, size, "sha-256=:%s:", text);
}

/* A known digest decides; without one, a file that was touched counts as
** another one. */
void stemhead_make (StemHead *h, const Stem *stem, const struct stat *st) {
  h->size = (uint64_t)st->st_size;
  h->type = type_of(stem->file);
  h->digest[0] = '\0';
  if (stem->sha256[0] != '\0') {
    snprintf(h->etag, sizeof h->etag, "\"%.32s\"", stem->sha256);
    write_digest(h->digest, sizeof h->digest, stem->sha256);
  } else
    snprintf(h->etag, sizeof h->etag, "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"",
             (uint64_t)st->st_size, (uint64_t)st->st_mtim.tv_sec,
             (uint64_t)st->st_mtim.tv_nsec);
  date_write(h->modified, st->st_mtim.tv_sec);
}

void stemhead_add (const StemHead *h, struct MHD_Response *response) {
  MHD_add_response_header(response, "Content-Type", h->type);
  MHD_add_response_header(response, "ETag", h->etag);
  MHD_add_response_header(response, "Last-Modified", h->modified);
  MHD_add_response_header(response, "Accept-Ranges", "bytes");
  if (h->digest[0] != '\0')
    MHD_add_response_header(response, "Repr-Digest", h->digest);
}

bool stemhead_is_same (const StemHead *h, const char *if_range) {
  return if_range == NULL || strcmp(if_range, h->etag) == 0 ||
         strcmp(if_range, h->modified) == 0;
}
