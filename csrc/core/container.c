/* Which reader a file has, and how its bytes reach that one. */

#include "container.h"

#include "container_private.h"
#include "format.h"

static void take (Container *c, const unsigned char *data, size_t size);

static const Reader *find_reader (const Container *c) {
  static const struct {
    const char *extension;
    const Reader *reader;
  } readers[] = {
    {"flac", &container_flac}, {"wav", &container_riff},
    {"aac", &container_adts},  {"mp3", &container_mp3},
    {"m4a", &container_boxes}, {"ogg", &container_ogg},
  };
  const Format *format = format_detect(c->head, c->have);
  for (size_t i = 0; format != NULL && i < sizeof readers / sizeof *readers;
       i++)
    if (strcmp(format->extension, readers[i].extension) == 0)
      return readers[i].reader;
  return NULL;
}

/* The beginning has been seen: let the reader see it again, behind a tag. */
static void settle (Container *c) {
  unsigned char first[CONTAINER_HEAD];
  size_t size = c->have;
  uint64_t tag = (uint64_t)format_id3_size(c->head, size);
  memcpy(first, c->head, size);
  c->skip = tag;
  if (tag == 0) {
    c->reader = find_reader(c);
    c->broken = c->reader == NULL;
    c->need = 4;
  }
  c->have = 0;
  take(c, first, size);
}

static void step (Container *c) {
  if (c->reader == NULL)
    settle(c);
  else
    c->reader->step(c);
}

static size_t pass_over (Container *c, size_t size) {
  size_t n = c->skip < size ? (size_t)c->skip : size;
  c->skip -= n;
  c->at += n;
  return n;
}

static size_t fill_head (Container *c, const unsigned char *data, size_t size) {
  size_t room = c->need - c->have, n = room < size ? room : size;
  memcpy(c->head + c->have, data, n);
  c->have += n;
  if (c->have == c->need)
    step(c);
  return n;
}

static void take (Container *c, const unsigned char *data, size_t size) {
  while (size > 0 && !c->ended && !c->broken) {
    size_t n = size;
    if (c->skip > 0)
      n = pass_over(c, size);
    else if (c->scans)
      c->reader->scan(c, data, size);
    else
      n = fill_head(c, data, size);
    data += n;
    size -= n;
  }
}

void container_begin (Container *c, bool strict) {
  memset(c, 0, sizeof *c);
  c->strict = strict;
  c->need = FORMAT_BYTES;
}

void container_add (Container *c, const void *data, size_t size) {
  take(c, data, size);
}

bool container_is_whole (Container *c) {
  while (c->reader == NULL && !c->broken && c->have > 0 && c->skip == 0)
    settle(c); /* shorter than the first look needs */
  return c->reader != NULL && !c->broken && (c->ended || c->skip == 0) &&
         c->reader->is_whole(c);
}

double container_duration (const Container *c) {
  uint64_t samples = c->samples;
  if (c->reader == &container_flac && c->stated != 0)
    samples = c->stated;
  return c->rate == 0 || samples == 0 ? -1 : (double)samples / c->rate;
}
