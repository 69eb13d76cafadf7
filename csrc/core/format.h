/* Which audio format a file has, told by its first bytes and nothing else. */

#ifndef CAMB_FORMAT_H
#define CAMB_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#define FORMAT_BYTES 64 /* what format_detect wants to see at the most */

typedef struct Format {
  const char *name;         /* "FLAC" */
  const char *extension;    /* "flac", without the dot */
  const char *content_type; /* "audio/flac" */
  bool accepted;            /* the service takes it as a source */
} Format;

/* The format that begins with 'data'; static, NULL when it is none of FLAC,
** WAV, MP3, AAC (ADTS), M4A/MP4 and Ogg.  An ID3v2 tag that fills what can be
** seen counts as MP3. */
const Format *format_detect (const void *data, size_t size);

/* The formats that a file may be named after, NULL past the last one. */
const Format *format_at (size_t index);

#endif
