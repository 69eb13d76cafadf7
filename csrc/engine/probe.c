/* What a recording says about itself. */

#include "engine/probe.h"

#include <stdio.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/dict.h>
#include <libavutil/mem.h>

#include "engine/demux.h"
#include "engine/sanitize.h"
#include "engine/source.h"
#include "engine/stream.h"

enum { MAX_TAGS = 256, MAX_TEXT = 4096 };

static char *clean_copy (const char *text) {
  char *copy = av_strndup(text, MAX_TEXT);
  if (copy != NULL)
    copy[sanitize_text(copy, strlen(copy))] = '\0';
  return copy;
}

/* A tag of the file takes precedence over the track's. */
static int add_tag (Probe *p, const AVDictionaryEntry *entry) {
  char *name = clean_copy(entry->key), *text = clean_copy(entry->value);
  int code = name == NULL || text == NULL ? AVERROR(ENOMEM) : 0;
  for (char *c = name; c != NULL && *c != '\0'; c++)
    *c = (char)av_tolower(*c);
  if (code == 0 && *name != '\0' && *text != '\0')
    code = av_dict_set(&p->tags, name, text, AV_DICT_DONT_OVERWRITE);
  av_free(name);
  av_free(text);
  return code;
}

static int add_tags (Probe *p, const AVDictionary *tags) {
  const AVDictionaryEntry *entry = NULL;
  while ((entry = av_dict_get(tags, "", entry, AV_DICT_IGNORE_SUFFIX))) {
    if (av_dict_count(p->tags) >= MAX_TAGS)
      return 0;
    if (add_tag(p, entry) < 0)
      return -1;
  }
  return 0;
}

static int keep_cover (Probe *p, const AVStream *s) {
  p->cover = av_packet_clone(&s->attached_pic);
  p->cover_codec = avcodec_parameters_alloc();
  if (p->cover == NULL || p->cover_codec == NULL)
    return AVERROR(ENOMEM);
  return avcodec_parameters_copy(p->cover_codec, s->codecpar);
}

/* The first of the pictures that has bytes. */
static int find_cover (Probe *p, const AVFormatContext *container) {
  for (unsigned i = 0; i < container->nb_streams; i++) {
    const AVStream *s = container->streams[i];
    if (p->cover == NULL && s->disposition & AV_DISPOSITION_ATTACHED_PIC &&
        s->attached_pic.size > 0)
      return keep_cover(p, s);
  }
  return 0;
}

static void find_duration (Probe *p, const Demuxer *d) {
  const AVStream *s = d->stream;
  if (s->duration > 0)
    p->duration = (double)s->duration * av_q2d(s->time_base);
  else if (d->container->duration > 0)
    p->duration = (double)d->container->duration / AV_TIME_BASE;
  p->is_estimate =
    p->duration > 0 &&
    d->container->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE;
}

static void describe (Probe *p, const Demuxer *d) {
  const char *names = d->container->iformat->name;
  find_duration(p, d);
  p->rate = d->codec->sample_rate;
  p->channels = d->codec->ch_layout.nb_channels;
  snprintf(p->codec, sizeof p->codec, "%s",
           avcodec_get_name(d->stream->codecpar->codec_id));
  /* "mov,mp4,m4a,…": all of one kind, and the first is reported */
  snprintf(p->container, sizeof p->container, "%.*s", (int)strcspn(names, ","),
           names);
}

/* The size of a picture is known only after a look into it. */
static int read_head (Probe *p, AVFormatContext *container) {
  int code = add_tags(p, container->metadata);
  if (code == 0 && p->cover == NULL && container->nb_streams > 1)
    avformat_find_stream_info(container, NULL);
  return code < 0 ? code : find_cover(p, container);
}

/* The demuxer passes over the tags in front of a raw stream: they are read
** here, and failing to is not a fault. */
static int read_front (Probe *p, const Demuxer *d, const char *path) {
  AVFormatContext *container = avformat_alloc_context();
  AVIOContext *io = NULL;
  int code = container == NULL ? AVERROR(ENOMEM) : 0;
  if (code == 0 && stream_read(&io, path, NULL) == 0) {
    container->pb = io;
    container->io_open = stream_refuse;
    /* On failure this frees the container, though never the caller's file. */
    if (avformat_open_input(&container, path, d->container->iformat, NULL) >= 0)
      code = read_head(p, container);
  }
  avformat_close_input(&container);
  stream_close(&io);
  return code;
}

int probe (Probe *p, const char *path, Fault *fault) {
  Demuxer d = {0};
  int result = source_check(path, source_options(NULL), fault);
  if (result == 0)
    result = demuxer_open(&d, path, fault);
  if (result == 0) {
    describe(p, &d);
    if (add_tags(p, d.container->metadata) < 0 ||
        add_tags(p, d.stream->metadata) < 0 || find_cover(p, d.container) < 0 ||
        read_front(p, &d, path) < 0)
      result = fault_memory(fault);
  }
  demuxer_close(&d);
  return result;
}

void probe_free (Probe *p) {
  av_dict_free(&p->tags);
  av_packet_free(&p->cover);
  avcodec_parameters_free(&p->cover_codec);
}

int probe_next_tag (const Probe *p, int *at, const char **name,
                    const char **text) {
  const AVDictionaryEntry *entry = NULL;
  for (int i = 0; i <= *at; i++)
    if (!(entry = av_dict_get(p->tags, "", entry, AV_DICT_IGNORE_SUFFIX)))
      return 0;
  *name = entry->key;
  *text = entry->value;
  ++*at;
  return 1;
}
