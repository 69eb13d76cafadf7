/* Opens a media file and finds its audio track, or says what is wrong. */

#include "engine/demux.h"

#include <string.h>
#include <strings.h>

#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "engine/stream.h"
#include "engine/tags.h"

static int interrupted (void *opaque) {
  return demuxer_cancelled(opaque);
}

static int open_file (Demuxer *d, const char *path, Fault *fault) {
  int code = stream_read(&d->container->pb, path, d->cancel);
  if (code == AVERROR(ENOMEM))
    return fault_memory(fault);
  if (code < 0)
    return fault_code(fault, FAULT_INTERNAL, "cannot read the source", code);
  return 0;
}

static int claims_audio (const char *path) {
  static const char *const known[] = {"wav", "mp3", "flac", "aac",
                                      "m4a", "ogg", "opus", "aiff"};
  const char *dot = strrchr(path, '.');
  for (size_t i = 0; dot != NULL && i < sizeof known / sizeof *known; i++)
    if (strcasecmp(dot + 1, known[i]) == 0)
      return 1;
  return 0;
}

/* A film, as against a picture or the cover of an album. */
static int has_video (const AVFormatContext *container) {
  const char *name = container->iformat->name;
  if (strstr(name, "image2") != NULL || strstr(name, "_pipe") != NULL)
    return 0;
  for (unsigned i = 0; i < container->nb_streams; i++) {
    const AVStream *s = container->streams[i];
    if (s->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
        !(s->disposition & AV_DISPOSITION_ATTACHED_PIC))
      return 1;
  }
  return 0;
}

static int no_track (const Demuxer *d, const char *path, Fault *fault) {
  const char *name = d->container->iformat->name;
  if (has_video(d->container))
    return fault_set(fault, FAULT_SILENT_VIDEO,
                     "the source is a video without an audio track");
  if (d->container->nb_streams == 0)
    return fault_set(fault, FAULT_DATA, "the source (%s) contains no audio",
                     name);
  if (claims_audio(path))
    return fault_set(fault, FAULT_EXTENSION,
                     "the source is named like audio, but is %s", name);
  return fault_set(fault, FAULT_TYPE, "the source is %s, not audio", name);
}

/* Text in a file called x.wav is no WAV; an empty one might have become one. */
static int unknown (const Demuxer *d, const char *path, Fault *fault) {
  if (avio_size(d->container->pb) == 0)
    return fault_set(fault, FAULT_DATA, "the source is empty");
  if (claims_audio(path))
    return fault_set(fault, FAULT_EXTENSION,
                     "the source is named like audio, but is in no "
                     "supported audio format");
  return fault_set(fault, FAULT_TYPE,
                   "the source is in no supported audio format");
}

/* A program that writes to a pipe cannot fill in the length afterwards: RIFF
** then has an impossible one, and CAF -1. */
static int is_open_ended (const uint8_t *head, size_t n) {
  static const char open_caf[] = "data\xff\xff\xff\xff\xff\xff\xff\xff";
  if (memcmp(head, "RIFF", 4) == 0)
    return AV_RL32(head + 4) == 0 || AV_RL32(head + 4) >= 0x7FFFF000;
  return memcmp(head, "caff", 4) == 0 &&
         memmem(head, n, open_caf, sizeof open_caf - 1) != NULL;
}

static int is_extensible (const uint8_t *head, size_t n) {
  const uint8_t *format = memmem(head, n, "fmt ", 4);
  return format != NULL && memcmp(head + 8, "WAVE", 4) == 0 &&
         head + n - format >= 10 && AV_RL16(format + 8) == 0xFFFE;
}

static void look_at_head (Demuxer *d, AVIOContext *io, int64_t from) {
  uint8_t head[4096];
  avio_seek(io, from, SEEK_SET);
  int n = avio_read(io, head, sizeof head);
  if (n < 12)
    return;
  d->open_ended = is_open_ended(head, (size_t)n);
  d->extensible = is_extensible(head, (size_t)n);
}

/* The content alone decides what a file is: its name may be anything.  Tags in
** front can be larger than what is probed. */
static int recognise (Demuxer *d, const char *path, Fault *fault) {
  AVIOContext *io = d->container->pb;
  const AVInputFormat *format = NULL;
  const char *name = NULL;
  int64_t from = tags_end(io, &name);
  int code = 0;
  look_at_head(d, io, from);
  avio_seek(io, from, SEEK_SET);
  if (from > 0)
    format = av_find_input_format(name);
  if (format == NULL)
    code = av_probe_input_buffer2(io, &format, "", NULL, 0, 0);
  if (io->error < 0 && io->error != AVERROR_EOF)
    return fault_code(fault, FAULT_INTERNAL, "cannot read the source",
                      io->error);
  if (code == AVERROR(ENOMEM))
    return fault_memory(fault);
  if (code < 0)
    return unknown(d, path, fault);
  /* On failure this frees the container, though never the caller's file. */
  code = avformat_open_input(&d->container, path, format, NULL);
  if (code < 0) {
    stream_close(&io);
    return fault_code(fault, FAULT_DATA, "the source cannot be opened", code);
  }
  return 0;
}

/* FFmpeg takes the bits that count for the width of samples: 16 or 24 in 32 are
** noise to it. */
static const AVCodec *correct_width (Demuxer *d, const AVCodec *codec) {
  static const enum AVCodecID widths[] = {
    0, AV_CODEC_ID_PCM_U8, AV_CODEC_ID_PCM_S16LE, AV_CODEC_ID_PCM_S24LE,
    AV_CODEC_ID_PCM_S32LE};
  AVCodecParameters *p = d->stream->codecpar;
  int channels = p->ch_layout.nb_channels;
  int bytes = channels > 0 ? p->block_align / channels : 0;
  int taken = (p->bits_per_coded_sample + 7) / 8;
  if (!d->extensible || p->codec_tag != 1 || bytes < 1 || bytes > 4 ||
      p->codec_id == widths[bytes])
    return codec;
  if (d->stream->duration > 0)
    d->stream->duration = d->stream->duration * taken / bytes;
  p->codec_id = widths[bytes];
  p->bits_per_coded_sample = 8 * bytes;
  return avcodec_find_decoder(p->codec_id);
}

static int open_codec (Demuxer *d, const AVCodec *codec, Fault *fault) {
  d->codec = avcodec_alloc_context3(codec);
  if (d->codec == NULL ||
      avcodec_parameters_to_context(d->codec, d->stream->codecpar) < 0)
    return fault_memory(fault);
  d->codec->pkt_timebase = d->stream->time_base;
  d->codec->thread_count = 1;
  int code = avcodec_open2(d->codec, codec, NULL);
  if (code < 0)
    return fault_code(fault, FAULT_DATA, "the source cannot be decoded", code);
  return 0;
}

static int choose_track (Demuxer *d, const char *path, Fault *fault) {
  const AVCodec *codec = NULL;
  int code = avformat_find_stream_info(d->container, NULL);
  int track =
    av_find_best_stream(d->container, AVMEDIA_TYPE_AUDIO, -1, -1, &codec, 0);
  if (demuxer_cancelled(d))
    return fault_set(fault, FAULT_INTERNAL, "cancelled");
  if (code == AVERROR(ENOMEM))
    return fault_memory(fault);
  if (track == AVERROR_DECODER_NOT_FOUND)
    return fault_set(fault, FAULT_TYPE,
                     "the source's audio codec is not supported");
  if (track < 0 && code < 0)
    return fault_code(fault, FAULT_DATA, "the source cannot be read", code);
  if (track < 0)
    return no_track(d, path, fault);
  for (unsigned i = 0; i < d->container->nb_streams; i++)
    d->container->streams[i]->discard = AVDISCARD_ALL;
  d->stream = d->container->streams[track];
  d->stream->discard = AVDISCARD_DEFAULT;
  return open_codec(d, correct_width(d, codec), fault);
}

int demuxer_open (Demuxer *d, const char *path, Fault *fault) {
  d->container = avformat_alloc_context();
  if (d->container == NULL)
    return fault_memory(fault);
  d->container->flags |= AVFMT_FLAG_CUSTOM_IO; /* the file is ours to close */
  d->container->io_open = stream_refuse;
  d->container->interrupt_callback = (AVIOInterruptCB){interrupted, d};
  if (open_file(d, path, fault) < 0 || recognise(d, path, fault) < 0)
    return -1;
  return choose_track(d, path, fault);
}

void demuxer_close (Demuxer *d) {
  avcodec_free_context(&d->codec);
  if (d->container == NULL)
    return;
  AVIOContext *io = d->container->pb;
  avformat_close_input(&d->container);
  stream_close(&io);
}

int demuxer_cancelled (const Demuxer *d) {
  return d->cancel != NULL && atomic_load(d->cancel);
}
