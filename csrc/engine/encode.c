/* Writes one stem as FLAC. */

#include "engine/encode.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/mem.h>

#include "engine/stream.h"

/* The encoder's own choice at 192 kHz, 16384 samples, makes frames that
** FFmpeg's FLAC reader cannot put together again (8 channels of noise). */
enum { MAX_BLOCK_RATE = 48000, BLOCK = 4608 };

struct Encoder {
  AVFormatContext *container;
  AVCodecContext *codec;
  AVPacket *packet;
  AVFrame *frame;
  int bits;
  int filled;    /* samples in 'frame' */
  int64_t count; /* samples sent to the encoder */
};

static int open_codec (Encoder *e, const Format *format) {
  const AVCodec *flac = avcodec_find_encoder(AV_CODEC_ID_FLAC);
  e->codec = avcodec_alloc_context3(flac);
  if (e->codec == NULL)
    return AVERROR(ENOMEM);
  e->codec->sample_fmt = e->bits == 16 ? AV_SAMPLE_FMT_S16 : AV_SAMPLE_FMT_S32;
  e->codec->bits_per_raw_sample = e->bits;
  e->codec->sample_rate = format->rate;
  e->codec->time_base = (AVRational){1, format->rate};
  e->codec->thread_count = 1;
  e->codec->compression_level = 5;
  if (format->rate > MAX_BLOCK_RATE)
    e->codec->frame_size = BLOCK;
  e->codec->flags = AV_CODEC_FLAG_BITEXACT | AV_CODEC_FLAG_GLOBAL_HEADER;
  int code = av_channel_layout_copy(&e->codec->ch_layout, &format->layout);
  return code < 0 ? code : avcodec_open2(e->codec, flac, NULL);
}

/* FLAC cannot express some layouts: then only the count is kept. */
static int open_any_layout (Encoder *e, const Format *format) {
  int code = open_codec(e, format);
  if (code != AVERROR(EINVAL))
    return code;
  Format plain = *format;
  avcodec_free_context(&e->codec);
  av_channel_layout_default(&plain.layout, format->channels);
  return open_codec(e, &plain);
}

static int open_frame (Encoder *e) {
  e->frame = av_frame_alloc();
  e->packet = av_packet_alloc();
  if (e->frame == NULL || e->packet == NULL)
    return AVERROR(ENOMEM);
  e->frame->format = e->codec->sample_fmt;
  e->frame->nb_samples = e->codec->frame_size;
  e->frame->sample_rate = e->codec->sample_rate;
  int code = av_channel_layout_copy(&e->frame->ch_layout, &e->codec->ch_layout);
  return code < 0 ? code : av_frame_get_buffer(e->frame, 0);
}

static int open_container (Encoder *e, const char *path) {
  int code = avformat_alloc_output_context2(&e->container, NULL, "flac", NULL);
  AVStream *stream = code < 0 ? NULL : avformat_new_stream(e->container, NULL);
  if (stream == NULL)
    code = AVERROR(ENOMEM);
  else
    code = stream_write(&e->container->pb, path);
  if (code < 0)
    return code;
  e->container->flags |= AVFMT_FLAG_BITEXACT;
  stream->time_base = e->codec->time_base;
  code = avcodec_parameters_from_context(stream->codecpar, e->codec);
  return code < 0 ? code : avformat_write_header(e->container, NULL);
}

Encoder *encoder_open (const char *path, const Format *format, Fault *fault) {
  Encoder *e = av_mallocz(sizeof *e);
  if (e == NULL) {
    fault_memory(fault);
    return NULL;
  }
  e->bits = format->bits;
  int code = open_any_layout(e, format);
  int refused = code == AVERROR(EINVAL);
  if (code >= 0)
    code = open_frame(e);
  if (code >= 0)
    code = open_container(e, path);
  if (code < 0) {
    if (refused)
      fault_set(fault, FAULT_TYPE,
                "FLAC cannot hold a stem of the source's "
                "%d Hz and %d channels",
                format->rate, format->channels);
    else
      fault_code(fault, FAULT_INTERNAL, "cannot create a stem", code);
    encoder_close(e);
    return NULL;
  }
  return e;
}

/* The muxer writes through a buffer: a full disk shows in 'pb' alone. */
static int write_packets (Encoder *e) {
  int code;
  while ((code = avcodec_receive_packet(e->codec, e->packet)) == 0) {
    code = av_write_frame(e->container, e->packet);
    av_packet_unref(e->packet);
    if (code < 0)
      return code;
  }
  if (code != AVERROR(EAGAIN) && code != AVERROR_EOF)
    return code;
  return e->container->pb->error;
}

static int send_frame (Encoder *e) {
  AVFrame *f = e->frame;
  int room = f->nb_samples;
  f->nb_samples = e->filled;
  f->pts = e->count;
  int code = avcodec_send_frame(e->codec, f);
  e->count += e->filled;
  e->filled = 0;
  f->nb_samples = room;
  if (code >= 0)
    code = write_packets(e);
  return code < 0 ? code : av_frame_make_writable(f);
}

/* 24-bit samples travel in the upper bytes of 32. */
static void put_samples (Encoder *e, const int32_t *samples, int n) {
  size_t channels = (size_t)e->frame->ch_layout.nb_channels;
  size_t at = (size_t)e->filled * channels, count = (size_t)n * channels;
  if (e->bits == 16) {
    int16_t *out = (int16_t *)e->frame->data[0] + at;
    for (size_t i = 0; i < count; i++)
      out[i] = (int16_t)samples[i];
  } else {
    int32_t *out = (int32_t *)e->frame->data[0] + at;
    for (size_t i = 0; i < count; i++)
      out[i] = samples[i] * 256;
  }
  e->filled += n;
}

int encoder_write (Encoder *e, const int32_t *samples, int n, Fault *fault) {
  while (n > 0) {
    int room = e->frame->nb_samples - e->filled;
    int part = n < room ? n : room;
    put_samples(e, samples, part);
    samples += part * e->frame->ch_layout.nb_channels;
    n -= part;
    int code = part == room ? send_frame(e) : 0;
    if (code < 0)
      return fault_code(fault, FAULT_INTERNAL, "cannot write a stem", code);
  }
  return 0;
}

int encoder_finish (Encoder *e, Fault *fault) {
  int code = e->filled > 0 ? send_frame(e) : 0;
  if (code >= 0)
    code = avcodec_send_frame(e->codec, NULL);
  if (code >= 0)
    code = write_packets(e);
  if (code >= 0)
    code = av_write_trailer(e->container);
  if (code >= 0)
    code = stream_close(&e->container->pb);
  if (code < 0)
    return fault_code(fault, FAULT_INTERNAL, "cannot write a stem", code);
  return 0;
}

void encoder_close (Encoder *e) {
  if (e == NULL)
    return;
  if (e->container != NULL)
    stream_close(&e->container->pb);
  avformat_free_context(e->container);
  avcodec_free_context(&e->codec);
  av_frame_free(&e->frame);
  av_packet_free(&e->packet);
  av_free(e);
}
