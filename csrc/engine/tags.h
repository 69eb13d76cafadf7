/* What surrounds the audio of a raw stream (FLAC, MP3, ADTS): ID3, APE and
** Lyrics3 tags, and zeros. */

#ifndef CAMB_ENGINE_TAGS_H
#define CAMB_ENGINE_TAGS_H

#include <stddef.h>
#include <stdint.h>

#include <libavformat/avio.h>

/* Where the audio of such a stream begins after its tags, and the name of
** FFmpeg's demuxer for it; 0 if there are no tags, or something else follows.
** Moves 'io'. */
int64_t tags_end (AVIOContext *io, const char **demuxer);

/* Whether these bytes, found in place of a frame, are a tag or zeros. */
int tags_are (const uint8_t *bytes, size_t n);

#endif
