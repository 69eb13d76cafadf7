/* Frames of any sample format become interleaved integers. */

#include "engine/samples.h"

#include <math.h>
#include <stddef.h>

/* Not a number becomes silence; lrint alone would make it a full-scale click.
** 24 bits go by way of 32, as FFmpeg's own conversion does. */
static int32_t quantise (double value, int bits, int64_t *clipped) {
  double scale = bits == 16 ? 32768.0 : 2147483648.0;
  double scaled = value * scale;
  if (isnan(scaled))
    return 0;
  *clipped += scaled < -scale || scaled > scale;
  scaled = fmin(fmax(scaled, -scale), scale - 1);
  return bits == 16 ? (int32_t)lrint(scaled) : (int32_t)(llrint(scaled) >> 8);
}

#define EACH_SAMPLE(type, expression)                                          \
  for (size_t i = 0; i < count; i++) {                                         \
    type v = ((const type *)plane)[i * stride];                                \
    out[i * channels] = (int32_t)(expression);                                 \
  }                                                                            \
  break

/* One channel, to every 'channels'-th integer of 'out'. */
static int64_t convert_channel (const AVFrame *frame, int channel, int bits,
                                int32_t *out) {
  size_t count = (size_t)frame->nb_samples, stride = 1;
  size_t channels = (size_t)frame->ch_layout.nb_channels;
  const uint8_t *plane = frame->extended_data[0];
  int64_t clipped = 0;
  if (av_sample_fmt_is_planar(frame->format))
    plane = frame->extended_data[channel];
  else {
    plane += channel * av_get_bytes_per_sample(frame->format);
    stride = channels;
  }
  switch (av_get_packed_sample_fmt(frame->format)) {
  case AV_SAMPLE_FMT_U8:
    EACH_SAMPLE(uint8_t, (v - 128) * 256);
  case AV_SAMPLE_FMT_S16:
    EACH_SAMPLE(int16_t, v);
  case AV_SAMPLE_FMT_S32:
    EACH_SAMPLE(int32_t, v >> (32 - bits));
  case AV_SAMPLE_FMT_S64:
    EACH_SAMPLE(int64_t, v >> (64 - bits));
  case AV_SAMPLE_FMT_FLT:
    EACH_SAMPLE(float, quantise(v, bits, &clipped));
  case AV_SAMPLE_FMT_DBL:
    EACH_SAMPLE(double, quantise(v, bits, &clipped));
  default: /* decoders give no other kind */
    EACH_SAMPLE(uint8_t, 0 * v);
  }
  return clipped;
}

int64_t samples_of_frame (const AVFrame *frame, int bits, int32_t *out) {
  int64_t clipped = 0;
  for (int c = 0; c < frame->ch_layout.nb_channels; c++)
    clipped += convert_channel(frame, c, bits, out + c);
  return clipped;
}
