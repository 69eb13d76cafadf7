/* Whether an audio file that came without a length is whole, judged by its
** container: by the totals it states, or by frames, chunks, boxes or pages that
** end where the file does.  Its bytes are read as they arrive, and none are
** kept. */

#ifndef CAMB_CONTAINER_H
#define CAMB_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTAINER_HEAD 256

struct Container;

/* How one format is read. */
typedef struct Reader {
  /* 'head' holds the 'need' bytes that were asked for: ask for more of them, or
  ** for those that follow (take_head), or pass some over (pass_over). */
  void (*step)(struct Container *c);
  /* Instead of that, once 'scans': all bytes as they come. */
  void (*scan)(struct Container *c, const unsigned char *data, size_t size);
  /* The file ended between two steps, with nothing left to pass over: true when
  ** nothing is missing. */
  bool (*is_whole)(const struct Container *c);
} Reader;

typedef struct Container {
  const Reader *reader; /* NULL: not known yet, or no reader for it */
  bool strict;          /* the caller will ask whether it is whole */
  bool scans;
  bool ended;  /* what follows does not count */
  bool broken; /* nothing that can be read */
  unsigned char head[CONTAINER_HEAD];
  size_t have, need;
  uint64_t skip; /* bytes to pass over before the next step */
  uint64_t at;   /* bytes taken, but for those in 'head' */
  int stage;     /* of the reader */
  uint64_t samples;
  uint64_t stated; /* what the file says that there is; 0: it does not say */
  uint32_t rate;   /* of 'samples', a second; 0: not known */
  union {
    struct {
      uint64_t frames, first;
      uint16_t crc;
    } flac;
    struct {
      uint64_t end, data;
      bool has_data;
    } riff;
    struct {
      uint64_t begin, bytes;
    } frames;
    struct {
      uint64_t index_end;
      bool has_index, has_data, has_fragments, has_end;
    } boxes;
    struct {
      uint32_t first, last;
      uint32_t length;
    } ogg;
  } of;
} Container;

/* Begin.  'strict': container_is_whole will be asked, which costs more. */
void container_begin (Container *c, bool strict);

/* Take the file's next bytes. */
void container_add (Container *c, const void *data, size_t size);

/* True if the file, now complete, says that nothing is missing.  Only if
** 'strict'. */
bool container_is_whole (Container *c);

/* Seconds of sound, as the file states or as its frames add up to; below 0: not
** known. */
double container_duration (const Container *c);

#endif
