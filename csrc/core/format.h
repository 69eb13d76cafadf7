/* Which audio format a file has, told by its first bytes and nothing else. */

#ifndef CAMB_FORMAT_H
#define CAMB_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMAT_BYTES 64 /* that suffice to recognise a format */

typedef struct Format {
  const char *name;         /* "FLAC" */
  const char *extension;    /* "flac", without the dot */
  const char *content_type; /* "audio/flac" */
  bool accepted;            /* the service takes it as a source */
} Format;

/* The format of the audio that 'data' begins with, behind tags (ID3v2, APEv2)
** and zeros; static, NULL when it is none of FLAC, WAV, MP3, AAC (ADTS), M4A/MP4
** and Ogg.  Behind an ID3v2 tag and nothing that is known it is MP3. */
const Format *format_detect (const void *data, size_t size);

/* The same for an open file. */
const Format *format_of_file (int fd);

/* True for FLAC and WAV that end before their first sample, whatever they say of
** their length: 'data' is the whole file. */
bool format_is_hollow (const void *data, size_t size);

/* The same for an open file. */
bool format_is_hollow_file (int fd);

/* The bytes of an ID3v2 tag that 'data' begins with; 0: it begins with none. */
int64_t format_id3_size (const void *data, size_t size);

/* The formats that a file may be named after, NULL past the last one. */
const Format *format_at (size_t index);

/* The format of files whose names end in 'extension', in lower case and without
** the dot; NULL: none.  'is_recording': the name alone marks a recording that
** the service takes ("mp4"), and not a film ("mov"). */
const Format *format_named (const char *extension, bool *is_recording);

#endif
