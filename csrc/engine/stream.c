/* Files as FFmpeg reads and writes them. */

#include "engine/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavutil/mem.h>

enum { READ_SIZE = 32 * 1024, WRITE_SIZE = 256 * 1024 };

typedef struct Stream {
  int fd;
  const atomic_bool *cancel;
} Stream;

static int read_some (void *opaque, uint8_t *bytes, int n) {
  Stream *s = opaque;
  ssize_t got;
  do {
    if (s->cancel != NULL && atomic_load(s->cancel))
      return AVERROR_EXIT;
    got = read(s->fd, bytes, (size_t)n);
  } while (got < 0 && errno == EINTR);
  return got > 0 ? (int)got : got == 0 ? AVERROR_EOF : AVERROR(errno);
}

static int write_some (void *opaque, uint8_t *bytes, int n) {
  Stream *s = opaque;
  int done = 0;
  while (done < n) {
    ssize_t put = write(s->fd, bytes + done, (size_t)(n - done));
    if (put >= 0)
      done += (int)put;
    else if (errno != EINTR)
      return AVERROR(errno);
  }
  return n;
}

static int64_t seek (void *opaque, int64_t offset, int whence) {
  Stream *s = opaque;
  struct stat info;
  int64_t at;
  if (whence & AVSEEK_SIZE)
    return fstat(s->fd, &info) == 0 ? info.st_size : AVERROR(errno);
  at = lseek(s->fd, offset, whence & ~AVSEEK_FORCE);
  return at < 0 ? AVERROR(errno) : at;
}

static int wrap (AVIOContext **io, Stream *s, int is_written) {
  int size = is_written ? WRITE_SIZE : READ_SIZE;
  unsigned char *buffer = av_malloc((size_t)size);
  if (buffer == NULL)
    return AVERROR(ENOMEM);
  *io = avio_alloc_context(buffer, size, is_written, s, read_some, write_some,
                           lseek(s->fd, 0, SEEK_CUR) < 0 ? NULL : seek);
  if (*io != NULL)
    return 0;
  av_free(buffer);
  return AVERROR(ENOMEM);
}

static int open_stream (AVIOContext **io, const char *path, int flags,
                        const atomic_bool *cancel) {
  Stream *s = av_malloc(sizeof *s);
  int code = AVERROR(ENOMEM);
  *io = NULL;
  if (s == NULL)
    return code;
  s->cancel = cancel;
  s->fd = open(path, flags | O_CLOEXEC, 0666);
  if (s->fd < 0)
    code = AVERROR(errno);
  else if ((code = wrap(io, s, flags != O_RDONLY)) < 0)
    close(s->fd);
  if (code < 0)
    av_free(s);
  return code;
}

int stream_read (AVIOContext **io, const char *path,
                 const atomic_bool *cancel) {
  return open_stream(io, path, O_RDONLY, cancel);
}

int stream_write (AVIOContext **io, const char *path) {
  return open_stream(io, path, O_WRONLY | O_CREAT | O_TRUNC, NULL);
}

int stream_sync (AVIOContext *io) {
  const Stream *s = io->opaque;
  avio_flush(io);
  while (fsync(s->fd) != 0) {
    if (errno == EIO || errno == ENOSPC || errno == EDQUOT)
      return AVERROR(errno);
    if (errno != EINTR)
      break;
  }
  return 0;
}

int stream_close (AVIOContext **io) {
  Stream *s;
  int code;
  if (*io == NULL)
    return 0;
  avio_flush(*io);
  code = (*io)->error;
  s = (*io)->opaque;
  if (close(s->fd) != 0 && code >= 0)
    code = AVERROR(errno);
  av_free(s);
  av_freep(&(*io)->buffer);
  avio_context_free(io);
  return code < 0 ? code : 0;
}

int stream_refuse (AVFormatContext *container, AVIOContext **io,
                   const char *url, int flags, AVDictionary **options) {
  (void)container, (void)url, (void)flags, (void)options;
  *io = NULL;
  return AVERROR(EACCES);
}
