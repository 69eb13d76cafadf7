/* The three kinds of source. */

#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file may be larger than 2 GiB. */
_Static_assert(sizeof(off_t) >= sizeof(int64_t),
               "to be compiled with -D_FILE_OFFSET_BITS=64");

#define READ_AHEAD (128 << 10) /* bytes that the system reads ahead */
#define QUEUE_LIMIT (8u << 20) /* bytes a reader may be ahead */

int source_open_file (Source *s, const char *path) {
  struct stat info;
  s->fd = open(path, O_RDONLY | O_CLOEXEC);
  if (s->fd < 0 || fstat(s->fd, &info) != 0)
    return -1;
  s->size = info.st_size;
#ifdef POSIX_FADV_SEQUENTIAL
  if (s->size > READ_AHEAD)
    posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
  return 0;
}

void source_open_memory (Source *s, const char *data, int64_t size) {
  s->fd = -1;
  s->memory = data;
  s->size = size;
}

void source_open_reader (Source *s, int64_t size) {
  s->fd = -1;
  s->fed = true;
  s->size = size;
  s->queue.limit = QUEUE_LIMIT;
}

static int64_t read_file (Source *s, char *out, size_t room) {
  ssize_t n;
  do
    n = read(s->fd, out, room);
  while (n < 0 && errno == EINTR);
  s->error = n < 0 ? errno : 0;
  return n > 0 ? n : SOURCE_BROKEN; /* the end is known by size, not by 0 */
}

static int64_t read_queue (Source *s, char *out, size_t room) {
  if (s->queue.size == 0)
    return s->ended ? SOURCE_BROKEN : SOURCE_WAIT;
  if (room > s->queue.size)
    room = s->queue.size;
  memcpy(out, s->queue.data, room);
  buffer_consume(&s->queue, room);
  return (int64_t)room;
}

void source_hash (Source *s, const char *expected) {
  s->hashed = true;
  digest_begin(&s->digest);
  if (expected != NULL)
    snprintf(s->expected, sizeof s->expected, "%s", expected);
}

/* False when the last byte shows that these are other bytes. */
static bool hash (Source *s, const char *data, size_t size) {
  unsigned char sum[DIGEST_BYTES];
  digest_add(&s->digest, data, size);
  if (s->at < s->size)
    return true;
  digest_end(&s->digest, sum);
  digest_hex(sum, s->sum);
  s->changed = s->expected[0] != '\0' && strcmp(s->sum, s->expected) != 0;
  return !s->changed;
}

int64_t source_read (Source *s, char *out, size_t room) {
  int64_t n, left = s->size - s->at;
  if (left <= 0)
    return 0;
  if ((int64_t)room > left)
    room = (size_t)left;
  if (s->fed) {
    n = read_queue(s, out, room);
  } else if (s->memory != NULL) {
    memcpy(out, s->memory + s->at, room);
    n = (int64_t)room;
  } else {
    n = read_file(s, out, room);
  }
  if (n > 0)
    s->at += n;
  if (n > 0 && s->hashed && !hash(s, out, (size_t)n))
    return SOURCE_BROKEN;
  return n;
}

bool source_can_rewind (const Source *s) {
  return !s->fed || s->at == 0;
}

bool source_rewind (Source *s) {
  if (!source_can_rewind(s))
    return false;
  if (s->fd >= 0 && s->at != 0 && lseek(s->fd, 0, SEEK_SET) != 0)
    return false;
  s->at = 0;
  s->sum[0] = '\0';
  digest_begin(&s->digest);
  return true;
}

void source_close (Source *s) {
  if (s->fd >= 0)
    close(s->fd);
  s->fd = -1;
  s->memory = NULL;
  buffer_free(&s->queue);
}
