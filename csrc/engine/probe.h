/* What a recording says about itself, without decoding it. */

#ifndef CAMB_ENGINE_PROBE_H
#define CAMB_ENGINE_PROBE_H

#include "engine/fault.h"

struct AVCodecParameters;
struct AVDictionary;
struct AVPacket;

typedef struct Probe {
  double duration; /* seconds; 0: unknown */
  int is_estimate; /* the duration comes from the bit rate */
  int rate;        /* Hz */
  int channels;    /* of the best audio track */
  char codec[32];  /* FFmpeg's name, such as "flac" */
  char container[32];
  struct AVDictionary *tags;
  struct AVPacket *cover; /* a picture, as it is in the file; NULL: none */
  struct AVCodecParameters *cover_codec;
} Probe;

/* Fill a zeroed 'p'.  Returns 0 or -1; free it either way.  Blocks while the
** file's head is read. */
int probe (Probe *p, const char *path, Fault *fault);
void probe_free (Probe *p);

/* Iterate over the tags: a name in lower case, and a text in UTF-8 on one line.
** Both are owned by 'p'.  Begin with '*at' at 0.  Returns 0 behind the last
** one. */
int probe_next_tag (const Probe *p, int *at, const char **name,
                    const char **text);

#endif
