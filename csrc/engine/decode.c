/* Reads the best audio track of any file as interleaved integers. */

#include "engine/decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>

#include "engine/demux.h"
#include "engine/samples.h"
#include "engine/tags.h"

enum { MIN_RATE = 1000, MAX_RATE = 655350 }; /* FLAC's own upper limit */
enum { MAX_IDLE = 1000 }; /* steps without progress before we give up */

struct Decoder {
  Demuxer demuxer;
  Format format;
  enum AVSampleFormat kind; /* of the first frame; later ones are converted to
                            ** it */
  AVPacket *packet;
  AVFrame *frame;
  AVFrame *adapted; /* a frame that had to be brought to the format */
  SwrContext *adapter;
  int32_t *samples;
  int room;    /* in 'samples', per channel */
  int pending; /* 'frame' is decoded and not yet handed out */
  int draining;
  int damaged;     /* packets that could not be decoded */
  int cut;         /* the newest packet is one of them */
  int is_tag;      /* the newest packet is a tag, or padding */
  int64_t count;   /* samples handed out, per channel */
  int64_t clipped; /* of all channels, beyond full scale */
  double limit;    /* seconds; 0: none */
};

/* --- frames --------------------------------------------------------------- */

/* A read that fails because of the disk is a fault; one that fails because of
** the content merely ends the file. */
static int end_of_packets (Decoder *d, Fault *fault) {
  const AVIOContext *io = d->demuxer.container->pb;
  if (demuxer_cancelled(&d->demuxer))
    return fault_set(fault, FAULT_INTERNAL, "cancelled");
  if (io->error < 0 && io->error != AVERROR_EOF)
    return fault_code(fault, FAULT_INTERNAL, "cannot read the source",
                      io->error);
  d->draining = 1;
  avcodec_send_packet(d->demuxer.codec, NULL);
  return 0;
}

/* One packet may fail more than once: it is cut, rejected, and cannot be
** decoded.  Data that is not audio does not count. */
static void note_damage (Decoder *d) {
  if (d->is_tag)
    return;
  d->damaged += !d->cut;
  d->cut = 1;
}

/* The last packet of plain samples is as long as the file has bytes. */
static int is_whole (const Decoder *d) {
  const AVCodecParameters *p = d->demuxer.stream->codecpar;
  return d->demuxer.open_ended && av_get_exact_bits_per_sample(p->codec_id) &&
         p->block_align > 0 && d->packet->size % p->block_align == 0;
}

static int send_packet (Decoder *d) {
  d->cut = 0;
  d->is_tag = tags_are(d->packet->data, (size_t)d->packet->size);
  if (d->packet->flags & AV_PKT_FLAG_CORRUPT && !is_whole(d))
    note_damage(d);
  int code = avcodec_send_packet(d->demuxer.codec, d->packet);
  if (code < 0 && code != AVERROR(EAGAIN))
    note_damage(d);
  return code;
}

static int feed_packet (Decoder *d, Fault *fault) {
  int code = av_read_frame(d->demuxer.container, d->packet);
  if (code == AVERROR(EAGAIN))
    return 0;
  if (code == AVERROR(ENOMEM))
    return fault_memory(fault);
  if (code < 0)
    return end_of_packets(d, fault);
  if (d->packet->stream_index == d->demuxer.stream->index)
    code = send_packet(d);
  av_packet_unref(d->packet);
  return code == AVERROR(ENOMEM) ? fault_memory(fault) : 0;
}

/* Decode into d->frame.  Returns 1, 0 at the end, -1 for a fault. */
static int next_frame (Decoder *d, Fault *fault) {
  for (int idle = 0; idle < MAX_IDLE; idle++) {
    int code = avcodec_receive_frame(d->demuxer.codec, d->frame);
    if (code == 0 && d->frame->nb_samples > 0)
      return 1;
    if (code == AVERROR_EOF)
      return 0;
    if (code == AVERROR(ENOMEM))
      return fault_memory(fault);
    if (code < 0 && code != AVERROR(EAGAIN)) {
      if (d->draining)
        return 0;
      note_damage(d);
    }
    if (demuxer_cancelled(&d->demuxer))
      return fault_set(fault, FAULT_INTERNAL, "cancelled");
    int64_t before = avio_tell(d->demuxer.container->pb);
    if (code != 0 && !d->draining && feed_packet(d, fault) < 0)
      return -1;
    if (avio_tell(d->demuxer.container->pb) != before)
      idle = 0;
  }
  return 0;
}

/* --- one format from start to end ----------------------------------------- */

static int is_lossy (enum AVCodecID id) {
  const AVCodecDescriptor *codec = avcodec_descriptor_get(id);
  return codec != NULL && (codec->props & AV_CODEC_PROP_LOSSY) &&
         !(codec->props & AV_CODEC_PROP_LOSSLESS);
}

static int width (const Decoder *d) {
  int raw = d->demuxer.codec->bits_per_raw_sample;
  switch (av_get_packed_sample_fmt(d->kind)) {
  case AV_SAMPLE_FMT_U8:
  case AV_SAMPLE_FMT_S16:
    return 16;
  case AV_SAMPLE_FMT_S32:
    return raw > 0 && raw <= 16 ? 16 : 24;
  default:
    return is_lossy(d->demuxer.codec->codec_id) ? 16 : 24;
  }
}

static int adopt_format (Decoder *d, Fault *fault) {
  const AVFrame *f = d->frame;
  d->kind = f->format;
  d->format.rate = f->sample_rate;
  d->format.channels = f->ch_layout.nb_channels;
  d->format.bits = width(d);
  if (d->format.channels < 1 || d->format.channels > MAX_CHANNELS)
    return fault_set(fault, FAULT_TYPE,
                     "the source has %d channels, not 1 "
                     "to %d",
                     d->format.channels, MAX_CHANNELS);
  if (d->format.rate < MIN_RATE || d->format.rate > MAX_RATE)
    return fault_set(fault, FAULT_TYPE,
                     "the source's sample rate of %d Hz "
                     "is not supported",
                     d->format.rate);
  if (f->ch_layout.order == AV_CHANNEL_ORDER_NATIVE)
    return av_channel_layout_copy(&d->format.layout, &f->ch_layout) < 0
             ? fault_memory(fault)
             : 0;
  av_channel_layout_default(&d->format.layout, d->format.channels);
  return 0;
}

static int fits_format (const Decoder *d, const AVFrame *f) {
  return f->format == d->kind && f->sample_rate == d->format.rate &&
         f->ch_layout.nb_channels == d->format.channels;
}

/* Set d->adapted to the format that frames are converted to. */
static int empty_adapted (Decoder *d) {
  AVFrame *out = d->adapted;
  av_frame_unref(out);
  out->format = d->kind;
  out->sample_rate = d->format.rate;
  return av_channel_layout_copy(&out->ch_layout, &d->format.layout);
}

/* What the resampler still holds of the frames before; it is empty then. */
static AVFrame *adapt_rest (Decoder *d) {
  AVFrame *out = d->adapted;
  if (!swr_is_initialized(d->adapter) || empty_adapted(d) < 0 ||
      swr_convert_frame(d->adapter, out, NULL) < 0)
    out->nb_samples = 0;
  swr_close(d->adapter);
  return out;
}

/* Some streams change their rate or channels on the way (broadcast AAC, joined
** MP3): the stems keep the format of the first frame.  NULL: a fault. */
static AVFrame *adapt_frame (Decoder *d, Fault *fault) {
  AVFrame *in = d->frame, *out = d->adapted;
  int code, fits = fits_format(d, in);
  if (fits && !swr_is_initialized(d->adapter))
    return in;
  if (empty_adapted(d) < 0) {
    fault_memory(fault);
    return NULL;
  }
  /* Without a layout each frame would count as changed. */
  if (in->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
    av_channel_layout_default(&in->ch_layout, in->ch_layout.nb_channels);
  code = fits ? AVERROR_INPUT_CHANGED : swr_convert_frame(d->adapter, out, in);
  if (code == AVERROR_INPUT_CHANGED) {
    d->pending = 1; /* it comes after the rest of what was before */
    return adapt_rest(d);
  }
  if (code >= 0)
    return out;
  fault_code(fault, FAULT_DATA, "the source changes its format midway", code);
  return NULL;
}

/* --- integers ------------------------------------------------------------- */

static int make_room (Decoder *d, int n, Fault *fault) {
  if (n <= d->room)
    return 0;
  av_freep(&d->samples);
  d->room = 0;
  d->samples =
    av_malloc_array((size_t)n * (size_t)d->format.channels, sizeof *d->samples);
  if (d->samples == NULL)
    return fault_memory(fault);
  d->room = n;
  return 0;
}

static int hand_out (Decoder *d, const AVFrame *f, Fault *fault) {
  if (f->nb_samples == 0)
    return 0;
  if (make_room(d, f->nb_samples, fault) < 0)
    return -1;
  d->clipped += samples_of_frame(f, d->format.bits, d->samples);
  d->count += f->nb_samples;
  return f->nb_samples;
}

/* --- the interface -------------------------------------------------------- */

static int prepare (Decoder *d, const char *path, Fault *fault) {
  d->packet = av_packet_alloc();
  d->frame = av_frame_alloc();
  d->adapted = av_frame_alloc();
  d->adapter = swr_alloc();
  if (!d->packet || !d->frame || !d->adapted || !d->adapter)
    return fault_memory(fault);
  /* Otherwise channels that go down to fewer would clip. */
  if (av_opt_set_double(d->adapter, "rematrix_maxval", 1, 0) < 0)
    return fault_memory(fault);
  if (demuxer_open(&d->demuxer, path, fault) < 0)
    return -1;
  int got = next_frame(d, fault);
  if (got == 0)
    return fault_set(fault, FAULT_DATA, "nothing in the source can be decoded");
  d->pending = 1;
  return got < 0 ? -1 : adopt_format(d, fault);
}

Decoder *decoder_open (const char *path, const atomic_bool *cancel,
                       Fault *fault) {
  Decoder *d = av_mallocz(sizeof *d);
  if (d == NULL) {
    fault_memory(fault);
    return NULL;
  }
  d->demuxer.cancel = cancel;
  if (prepare(d, path, fault) < 0) {
    decoder_close(d);
    return NULL;
  }
  return d;
}

const Format *decoder_format (const Decoder *d) {
  return &d->format;
}

/* What the source says of its own length, in seconds.  0: nothing, or merely
** an estimate from its bit rate. */
static double declared_seconds (const Decoder *d) {
  const Demuxer *m = &d->demuxer;
  enum AVDurationEstimationMethod how =
    m->container->duration_estimation_method;
  if (m->stream->duration <= 0 || how == AVFMT_DURATION_FROM_BITRATE)
    return 0;
  return (double)m->stream->duration * av_q2d(m->stream->time_base);
}

static double seconds_so_far (const Decoder *d) {
  return (double)d->count / d->format.rate;
}

/* A coded length is one in whole packets; CAF counts them whatever the codec. */
static int counts_packets (const Decoder *d) {
  enum AVCodecID id = d->demuxer.codec->codec_id;
  return is_lossy(id) ||
         (strcmp(d->demuxer.container->iformat->name, "caf") == 0 &&
          av_get_exact_bits_per_sample(id) == 0);
}

static double slack (const Decoder *d) {
  return (counts_packets(d) ? 8192 : 0.5) / d->format.rate;
}

static int check_length (const Decoder *d, double seconds, Fault *fault) {
  if (d->limit > 0 && seconds > d->limit)
    return fault_set(fault, FAULT_LONG,
                     "the source is longer than the limit of %g seconds",
                     d->limit);
  return 0;
}

int decoder_limit (Decoder *d, double seconds, Fault *fault) {
  d->limit = seconds;
  return check_length(d, declared_seconds(d) - slack(d), fault);
}

/* Every frame then differs from the format, and is converted. */
void decoder_convert (Decoder *d, int rate, int bits) {
  if (rate == d->format.rate && bits == d->format.bits)
    return;
  d->kind = AV_SAMPLE_FMT_DBL;
  d->format.rate = rate;
  d->format.bits = bits;
}

int decoder_read (Decoder *d, const int32_t **samples, Fault *fault) {
  int n = 0, got = 1;
  while (n == 0 && got > 0) { /* a frame may still be inside the resampler */
    AVFrame *f;
    got = d->pending ? 1 : next_frame(d, fault);
    d->pending = 0;
    f = got > 0 ? adapt_frame(d, fault) : got == 0 ? adapt_rest(d) : NULL;
    if (f == NULL)
      return -1;
    n = hand_out(d, f, fault);
  }
  *samples = d->samples;
  return n > 0 && check_length(d, seconds_so_far(d), fault) < 0 ? -1 : n;
}

/* Containers that count exactly give away a cut file; an estimate from the
** bit rate does not, and lossy ones may be a frame or two off. */
static double missing_seconds (const Decoder *d) {
  double missing = declared_seconds(d) - seconds_so_far(d);
  return missing > slack(d) ? missing : 0;
}

/* Every sample that an exact container counts is there: what follows the last
** frame is not audio. */
static int is_complete (const Decoder *d) {
  double declared = declared_seconds(d);
  return declared > 0 && !counts_packets(d) && !d->demuxer.open_ended &&
         seconds_so_far(d) >= declared - slack(d);
}

static void remark_clipping (const Decoder *d, char *message, size_t size) {
  size_t used = strlen(message);
  if (d->clipped > 0)
    snprintf(message + used, size - used,
             "%s%" PRId64 " sample%s of the source beyond full scale %s "
             "clipped",
             used > 0 ? "; " : "", d->clipped, d->clipped == 1 ? "" : "s",
             d->clipped == 1 ? "was" : "were");
}

void decoder_remark (const Decoder *d, char *message, size_t size) {
  double missing = missing_seconds(d);
  double length = seconds_so_far(d);
  int ends_inside = d->cut && d->damaged == 1;
  message[0] = '\0';
  if (missing > 0)
    snprintf(message, size,
             "the source ends early: only %.3f of %.3f seconds "
             "were separated",
             length, length + missing);
  else if (ends_inside && !is_complete(d))
    snprintf(message, size,
             "the source ends early, inside a packet: only "
             "%.3f seconds were separated",
             length);
  else if (d->damaged > 0 && !ends_inside)
    snprintf(message, size,
             "the source is damaged in %d place%s: what could "
             "be decoded was separated",
             d->damaged, d->damaged == 1 ? "" : "s");
  remark_clipping(d, message, size);
}

void decoder_close (Decoder *d) {
  if (d == NULL)
    return;
  demuxer_close(&d->demuxer);
  swr_free(&d->adapter);
  av_frame_free(&d->adapted);
  av_frame_free(&d->frame);
  av_packet_free(&d->packet);
  av_channel_layout_uninit(&d->format.layout);
  av_freep(&d->samples);
  av_free(d);
}
