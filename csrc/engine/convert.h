/* A recording in another format, with the tags and the cover of a third. */

#ifndef CAMB_ENGINE_CONVERT_H
#define CAMB_ENGINE_CONVERT_H

#include <stdatomic.h>

#include "engine/fault.h"

typedef struct Convert {
  const char *path;   /* to read */
  const char *output; /* to create, or to empty; it stays behind on failure */
  const char *format; /* one of convert_formats */
  int bitrate;        /* bit/s; 0: the format's usual one */
  const char *tags;   /* the file whose tags and cover are copied; NULL: none */
  const atomic_bool *cancel; /* may be NULL */
} Convert;

/* "flac", "wav", …, NULL.  "m4a" and "aac" are AAC, the latter without a
** container and so without tags. */
extern const char *const convert_formats[];

/* Convert, exactly if the format is lossless; rate and channels change only if
** the format lacks them.  Returns 0 or -1.  Blocks. */
int convert (const Convert *c, Fault *fault);

#endif
