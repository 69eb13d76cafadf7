/* Opens a media file and finds its audio track, or says what is wrong. */

#ifndef CAMB_ENGINE_DEMUX_H
#define CAMB_ENGINE_DEMUX_H

#include <stdatomic.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "engine/fault.h"

typedef struct Demuxer {
  AVFormatContext *container;
  AVCodecContext *codec; /* of the chosen track, open */
  AVStream *stream;      /* the chosen track; owned by 'container' */
  int open_ended;        /* the file does not say how long it is */
  int extensible;        /* a WAV that says how wide samples are, and how many
                         ** of their bits count */
  const atomic_bool *cancel;
} Demuxer;

/* Fill a zeroed 'd'.  Returns 0, or -1 with 'fault' set; close it either
** way.  'd' must stay where it is while it is open. */
int demuxer_open (Demuxer *d, const char *path, Fault *fault);
void demuxer_close (Demuxer *d);

/* Whether the caller has asked for the end. */
int demuxer_cancelled (const Demuxer *d);

#endif
