/* Files as FFmpeg reads and writes them.  FFmpeg's own "file:" marks a descriptor
** close-on-exec only after it is open: a program that the host starts in
** between would inherit a user's recording. */

#ifndef CAMB_ENGINE_STREAM_H
#define CAMB_ENGINE_STREAM_H

#include <stdatomic.h>

#include <libavformat/avformat.h>

/* Open the file 'path' to be read.  Reading ends with AVERROR_EXIT once
** '*cancel' is true; 'cancel' may be NULL.  Returns 0, or an AVERROR with '*io'
** NULL. */
int stream_read (AVIOContext **io, const char *path, const atomic_bool *cancel);

/* Make the file 'path', or empty it, to be written. */
int stream_write (AVIOContext **io, const char *path);

/* Write what is buffered, and wait until it would outlive a power cut, if the
** file system can say so.  Returns 0, or an AVERROR. */
int stream_sync (AVIOContext *io);

/* Write what is buffered and close; '*io' may be NULL, and is afterwards.
** Returns 0, or the AVERROR of the first write that failed. */
int stream_close (AVIOContext **io);

/* For AVFormatContext.io_open.  Playlists and manifests name other files and
** hosts: none is opened. */
int stream_refuse (AVFormatContext *container, AVIOContext **io,
                   const char *url, int flags, AVDictionary **options);

#endif
