/* What stands before and behind the audio of a raw stream (FLAC, MP3, ADTS)
** and is none: ID3, APE and Lyrics3 tags, and zeros. */

#ifndef CAMB_ENGINE_TAGS_H
#define CAMB_ENGINE_TAGS_H

#include <stddef.h>
#include <stdint.h>

#include <libavformat/avio.h>

/* Where the audio of such a stream begins behind tags, and the name of FFmpeg's
** demuxer for it; 0 where there are none, or something else behind them.  Moves
** 'io'. */
int64_t tags_end (AVIOContext *io, const char **demuxer);

/* Whether these bytes, which stand where a frame could, are a tag or zeros. */
int tags_are (const uint8_t *bytes, size_t n);

#endif
