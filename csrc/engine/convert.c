/* A recording in another format. */

#include "engine/convert.h"

#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/audio_fifo.h>
#include <libavutil/base64.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>

#include "engine/probe.h"
#include "engine/source.h"
#include "engine/stream.h"

enum { BLOCK = 4096 };         /* samples of a frame, if the codec takes any */
enum { COVER_MAX = 15 << 20 }; /* of FLAC's block, with room for its head */

typedef struct Kind {
  const char *format, *muxer;
  const char *codec; /* NULL: plain samples */
  int bitrate;       /* 0: lossless */
  int most_channels;
  enum { COVER_NONE, COVER_TRACK, COVER_TAG } cover;
} Kind;

static const Kind kinds[] = {
  {"flac", "flac", "flac", 0, 8, COVER_TRACK},
  {"wav", "wav", NULL, 0, 8, COVER_NONE},
  {"mp3", "mp3", "libmp3lame", 256000, 2, COVER_TRACK},
  {"opus", "opus", "libopus", 160000, 2, COVER_TAG},
  {"m4a", "ipod", "aac", 192000, 6, COVER_TRACK},
  {"aac", "adts", "aac", 192000, 6, COVER_NONE},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

const char *const convert_formats[] = {"flac", "wav", "mp3", "opus",
                                       "m4a",  "aac", NULL};

typedef struct Output {
  const Kind *kind;
  AVFormatContext *container;
  AVCodecContext *codec;
  AVStream *stream, *cover;
  AVPacket *packet;
  AVFrame *frame;
  SwrContext *resampler;
  AVAudioFifo *fifo;
  int64_t count; /* samples sent to the codec */
} Output;

/* --- opening -------------------------------------------------------------- */

/* The lowest rate that is no lower than 'rate'; if there is none, the
** highest. */
static int choose_rate (const AVCodec *codec, int rate) {
  const int *known = codec->supported_samplerates;
  int best = 0;
  if (known == NULL)
    return rate;
  for (; *known != 0; known++)
    if (best < rate ? *known > best : *known >= rate && *known < best)
      best = *known;
  return best;
}

static enum AVSampleFormat choose_samples (const AVCodec *codec, int is_lossy,
                                           int bits) {
  enum AVSampleFormat wanted = is_lossy     ? AV_SAMPLE_FMT_FLT
                               : bits == 16 ? AV_SAMPLE_FMT_S16
                                            : AV_SAMPLE_FMT_S32;
  const enum AVSampleFormat *known = codec->sample_fmts;
  for (; *known != AV_SAMPLE_FMT_NONE; known++)
    if (av_get_packed_sample_fmt(*known) == wanted)
      return *known;
  return codec->sample_fmts[0];
}

static const AVCodec *find_codec (const Kind *kind, int bits) {
  if (kind->codec != NULL)
    return avcodec_find_encoder_by_name(kind->codec);
  return avcodec_find_encoder(bits == 16 ? AV_CODEC_ID_PCM_S16LE
                                         : AV_CODEC_ID_PCM_S24LE);
}

static int open_codec (Output *o, const Convert *c, const Format *format) {
  const AVCodec *codec = find_codec(o->kind, format->bits);
  if (codec == NULL)
    return AVERROR_ENCODER_NOT_FOUND;
  AVCodecContext *x = o->codec = avcodec_alloc_context3(codec);
  if (x == NULL)
    return AVERROR(ENOMEM);
  x->sample_rate = choose_rate(codec, format->rate);
  x->sample_fmt = choose_samples(codec, o->kind->bitrate > 0, format->bits);
  x->bits_per_raw_sample = o->kind->bitrate > 0 ? 0 : format->bits;
  x->time_base = (AVRational){1, x->sample_rate};
  x->thread_count = 1;
  if (o->kind->bitrate > 0)
    x->bit_rate = c->bitrate > 0 ? c->bitrate : o->kind->bitrate;
  if (o->container->oformat->flags & AVFMT_GLOBALHEADER)
    x->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  if (format->channels <= o->kind->most_channels)
    av_channel_layout_copy(&x->ch_layout, &format->layout);
  else
    av_channel_layout_default(&x->ch_layout, 2);
  return avcodec_open2(x, codec, NULL);
}

/* Integers of 'bits' come in the upper bytes of 32. */
static int open_resampler (Output *o, const Format *format) {
  AVChannelLayout layout = format->layout; /* older versions of FFmpeg need
                                           ** more */
  int code = swr_alloc_set_opts2(
    &o->resampler, &o->codec->ch_layout, o->codec->sample_fmt,
    o->codec->sample_rate, &layout, AV_SAMPLE_FMT_S32, format->rate, 0, NULL);
  if (code >= 0) /* otherwise channels that go down to fewer would clip */
    code = av_opt_set_double(o->resampler, "rematrix_maxval", 1, 0);
  return code < 0 ? code : swr_init(o->resampler);
}

static int open_frame (Output *o) {
  int channels = o->codec->ch_layout.nb_channels;
  o->frame = av_frame_alloc();
  o->packet = av_packet_alloc();
  o->fifo = av_audio_fifo_alloc(o->codec->sample_fmt, channels, BLOCK);
  if (o->frame == NULL || o->packet == NULL || o->fifo == NULL)
    return AVERROR(ENOMEM);
  o->frame->format = o->codec->sample_fmt;
  o->frame->nb_samples =
    o->codec->frame_size > 0 ? o->codec->frame_size : BLOCK;
  o->frame->sample_rate = o->codec->sample_rate;
  int code = av_channel_layout_copy(&o->frame->ch_layout, &o->codec->ch_layout);
  return code < 0 ? code : av_frame_get_buffer(o->frame, 0);
}

/* FLAC's block of a picture: type (the front cover), MIME type, no description,
** width, height, depth and number of colours (unknown), bytes. */
static int write_block (uint8_t *block, const char *type, const Probe *tags) {
  uint32_t head[] = {0,
                     (uint32_t)tags->cover_codec->width,
                     (uint32_t)tags->cover_codec->height,
                     0,
                     0,
                     (uint32_t)tags->cover->size};
  size_t length = strlen(type), at = 8 + length;
  AV_WB32(block, 3);
  AV_WB32(block + 4, (uint32_t)length);
  memcpy(block + 8, type, length);
  for (size_t i = 0; i < sizeof head / sizeof *head; i++, at += 4)
    AV_WB32(block + at, head[i]);
  memcpy(block + at, tags->cover->data, (size_t)tags->cover->size);
  return (int)at + tags->cover->size;
}

/* In Ogg the block is a tag, as text. */
static int add_cover_tag (Output *o, const Probe *tags) {
  const AVCodecDescriptor *codec =
    avcodec_descriptor_get(tags->cover_codec->codec_id);
  if (codec == NULL || codec->mime_types == NULL)
    return 0;
  const char *type = codec->mime_types[0];
  size_t room = 32 + strlen(type) + (size_t)tags->cover->size;
  uint8_t *block = av_malloc(room);
  char *text = av_malloc(AV_BASE64_SIZE(room));
  int code = AVERROR(ENOMEM);
  if (block != NULL && text != NULL) {
    int size = write_block(block, type, tags);
    av_base64_encode(text, (int)AV_BASE64_SIZE(room), block, size);
    code = av_dict_set(&o->container->metadata, "METADATA_BLOCK_PICTURE", text,
                       AV_DICT_DONT_STRDUP_VAL);
    text = NULL; /* taken, also where that failed */
  }
  av_free(block);
  av_free(text);
  return code;
}

static int add_cover (Output *o, const Probe *tags) {
  if (o->kind->cover == COVER_NONE || tags->cover == NULL ||
      tags->cover->size > COVER_MAX || tags->cover_codec->width <= 0)
    return 0;
  if (o->kind->cover == COVER_TAG)
    return add_cover_tag(o, tags);
  o->cover = avformat_new_stream(o->container, NULL);
  if (o->cover == NULL)
    return AVERROR(ENOMEM);
  int code = avcodec_parameters_copy(o->cover->codecpar, tags->cover_codec);
  o->cover->codecpar->codec_tag = 0;
  o->cover->disposition = AV_DISPOSITION_ATTACHED_PIC;
  return code;
}

/* Tags about the old file itself are not copied. */
static int add_tags (Output *o, const Probe *tags) {
  static const char *const own[] = {
    "encoder",      "major_brand", "minor_version", "compatible_brands",
    "handler_name", "vendor_id",   "language"};
  const char *name, *text;
  int at = 0;
  while (probe_next_tag(tags, &at, &name, &text)) {
    size_t i = 0;
    while (i < sizeof own / sizeof *own && strcmp(name, own[i]) != 0)
      i++;
    if (i == sizeof own / sizeof *own &&
        av_dict_set(&o->container->metadata, name, text, 0) < 0)
      return AVERROR(ENOMEM);
  }
  return 0;
}

static int write_cover (Output *o, const Probe *tags) {
  if (o->cover == NULL)
    return 0;
  int code = av_packet_ref(o->packet, tags->cover);
  o->packet->stream_index = o->cover->index;
  o->packet->pts = o->packet->dts = 0;
  return code < 0 ? code : av_interleaved_write_frame(o->container, o->packet);
}

static int open_container (Output *o, const Convert *c, const Probe *tags) {
  int code = stream_write(&o->container->pb, c->output);
  o->container->flags |= AVFMT_FLAG_BITEXACT;
  o->stream->time_base = o->codec->time_base;
  if (code >= 0)
    code = avcodec_parameters_from_context(o->stream->codecpar, o->codec);
  if (code >= 0)
    code = add_cover(o, tags);
  if (code >= 0)
    code = add_tags(o, tags);
  if (code >= 0)
    code = avformat_write_header(o->container, NULL);
  return code < 0 ? code : write_cover(o, tags);
}

static int open_output (Output *o, const Convert *c, const Format *format,
                        const Probe *tags) {
  int code =
    avformat_alloc_output_context2(&o->container, NULL, o->kind->muxer, NULL);
  if (code >= 0 && !(o->stream = avformat_new_stream(o->container, NULL)))
    code = AVERROR(ENOMEM);
  if (code >= 0)
    code = open_codec(o, c, format);
  if (code >= 0)
    code = open_resampler(o, format);
  if (code >= 0)
    code = open_frame(o);
  return code < 0 ? code : open_container(o, c, tags);
}

static void close_output (Output *o) {
  if (o->container != NULL)
    stream_close(&o->container->pb);
  avformat_free_context(o->container);
  avcodec_free_context(&o->codec);
  av_frame_free(&o->frame);
  av_packet_free(&o->packet);
  swr_free(&o->resampler);
  av_audio_fifo_free(o->fifo);
}

/* --- writing -------------------------------------------------------------- */

/* The muxer writes through a buffer: a full disk shows in 'pb' alone. */
static int write_packets (Output *o) {
  int code;
  while ((code = avcodec_receive_packet(o->codec, o->packet)) == 0) {
    o->packet->stream_index = o->stream->index;
    av_packet_rescale_ts(o->packet, o->codec->time_base, o->stream->time_base);
    code = av_interleaved_write_frame(o->container, o->packet);
    if (code < 0)
      return code;
  }
  if (code != AVERROR(EAGAIN) && code != AVERROR_EOF)
    return code;
  return o->container->pb->error;
}

static int send_frame (Output *o, int n) {
  AVFrame *f = o->frame;
  int room = f->nb_samples;
  int code = av_frame_make_writable(f);
  if (code < 0)
    return code;
  av_audio_fifo_read(o->fifo, (void **)f->extended_data, n);
  f->nb_samples = n;
  f->pts = o->count;
  o->count += n;
  code = avcodec_send_frame(o->codec, f);
  f->nb_samples = room;
  return code < 0 ? code : write_packets(o);
}

/* Send whole frames, and at the end what is left. */
static int send_frames (Output *o, int is_end) {
  int room = o->frame->nb_samples;
  for (;;) {
    int there = av_audio_fifo_size(o->fifo);
    int n = there < room ? there : room;
    if (n == 0 || (n < room && !is_end))
      return 0;
    int code = send_frame(o, n);
    if (code < 0)
      return code;
  }
}

/* Bring 'n' samples to the codec's form; NULL: what the resampler holds. */
static int resample (Output *o, const int32_t *samples, int n) {
  uint8_t **out = NULL;
  int room = swr_get_out_samples(o->resampler, n);
  if (room <= 0)
    return room;
  int code = av_samples_alloc_array_and_samples(
    &out, NULL, o->codec->ch_layout.nb_channels, room, o->codec->sample_fmt, 0);
  if (code >= 0) {
    const uint8_t *in = (const uint8_t *)samples;
    code = swr_convert(o->resampler, out, room, samples == NULL ? NULL : &in,
                       samples == NULL ? 0 : n);
  }
  if (code > 0)
    code = av_audio_fifo_write(o->fifo, (void **)out, code);
  if (out != NULL)
    av_freep(&out[0]);
  av_freep(&out);
  return code;
}

static int finish (Output *o) {
  int code = resample(o, NULL, 0);
  if (code >= 0)
    code = send_frames(o, 1);
  if (code >= 0)
    code = avcodec_send_frame(o->codec, NULL);
  if (code >= 0)
    code = write_packets(o);
  if (code >= 0)
    code = av_write_trailer(o->container);
  if (code >= 0)
    code = stream_sync(o->container->pb);
  return code < 0 ? code : stream_close(&o->container->pb);
}

static int is_cancelled (const Convert *c) {
  return c->cancel != NULL && atomic_load(c->cancel);
}

static int copy (Output *o, Decoder *d, const Convert *c, Fault *fault) {
  const Format *format = decoder_format(d);
  int32_t shifted[BLOCK], scale = 1 << (32 - format->bits);
  const int32_t *samples;
  int n, code = 0, most = BLOCK / format->channels;
  while ((n = decoder_read(d, &samples, fault)) > 0 && !is_cancelled(c)) {
    for (; n > 0 && code >= 0; n -= most, samples += most * format->channels) {
      int part = n < most ? n : most;
      for (int i = 0; i < part * format->channels; i++)
        shifted[i] = (int32_t)((uint32_t)samples[i] * (uint32_t)scale);
      code = resample(o, shifted, part);
      if (code >= 0)
        code = send_frames(o, 0);
    }
    if (code < 0)
      return fault_code(fault, FAULT_INTERNAL, "cannot write the output", code);
  }
  return is_cancelled(c) ? fault_set(fault, FAULT_INTERNAL, "cancelled") : n;
}

static int run (Output *o, Decoder *d, const Convert *c, const Probe *tags,
                Fault *fault) {
  int code = open_output(o, c, decoder_format(d), tags);
  if (code < 0)
    return fault_code(fault, FAULT_INTERNAL, "cannot create the output", code);
  if (copy(o, d, c, fault) < 0)
    return -1;
  code = finish(o);
  return code < 0
           ? fault_code(fault, FAULT_INTERNAL, "cannot write the output", code)
           : 0;
}

int convert (const Convert *c, Fault *fault) {
  Output o = {0};
  Probe tags = {0};
  EngineOptions options = {.workers = 1, .cancel = c->cancel};
  int result = 0;
  for (int i = 0; i < KINDS; i++)
    if (strcmp(kinds[i].format, c->format) == 0)
      o.kind = &kinds[i];
  Decoder *d = source_open(c->path, &options, fault);
  if (d == NULL)
    return -1;
  if (c->tags != NULL)
    result = probe(&tags, c->tags, fault);
  if (result == 0)
    result = run(&o, d, c, &tags, fault);
  close_output(&o);
  probe_free(&tags);
  decoder_close(d);
  return result;
}
