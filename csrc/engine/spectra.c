/* From the samples of a segment to the energies that the network looks at. */

#include "engine/spectra.h"

#include <math.h>
#include <string.h>

#include <libavutil/mem.h>

/* The sums of a block: real and imaginary part of the cross spectrum, and both
** energies.  An empty block is before the first and after the last. */
enum { SUMS = 4 * GRID_BINS };

int spectra_open (Spectra *s) {
  s->sums = av_calloc((size_t)(SEGMENT_BLOCKS + 2) * SUMS, sizeof *s->sums);
  return s->sums != NULL ? stft_init(&s->stft, GRID_N) : -1;
}

void spectra_close (Spectra *s) {
  av_freep(&s->sums);
  stft_free(&s->stft);
}

/* Two channels that differ in level alone, or in sign, are one: the louder one
** tells all. */
static int is_stereo (const Segment *s, int *louder) {
  const float *pairs = segment_samples(s);
  int count = (segment_frames(s) - 1) * GRID_HOP + GRID_N;
  double left = 0, right = 0, both = 0;
  *louder = 0;
  if (s->channels == 1)
    return 0;
  for (int i = 0; i < count; i++) {
    double l = pairs[2 * i], r = pairs[2 * i + 1];
    left += l * l;
    right += r * r;
    both += l * r;
  }
  *louder = right > left;
  double power = left + right;
  return power - hypot(left - right, 2 * both) > 5e-7 * power;
}

static float energy_of (AVComplexFloat x) {
  return x.re * x.re + x.im * x.im;
}

/* The energies of both channels and the real part of their cross spectrum say
** all but the sign of its imaginary part, which the second energy gets. */
static void keep_pair (const AVComplexFloat *l, const AVComplexFloat *r,
                       float *row) {
  for (int k = 0; k < GRID_BINS; k++) {
    row[k] = energy_of(l[k]);
    row[GRID_BINS + k] =
      copysignf(energy_of(r[k]), l[k].im * r[k].re - l[k].re * r[k].im);
    row[2 * GRID_BINS + k] = l[k].re * r[k].re + l[k].im * r[k].im;
  }
}

static void transform (Spectra *s, const float *samples, int channels,
                       float *row) {
  AVComplexFloat left[GRID_BINS];
  stft_forward(&s->stft, samples, channels);
  if (s->stereo) {
    memcpy(left, s->stft.spectrum, sizeof left);
    stft_forward(&s->stft, samples + 1, channels);
    keep_pair(left, s->stft.spectrum, row);
    return;
  }
  for (int k = 0; k < GRID_BINS; k++)
    row[k] = energy_of(s->stft.spectrum[k]);
  memset(row + GRID_BINS, 0, GRID_BINS * sizeof *row);
}

/* --- along and across ----------------------------------------------------- */

static float positive (float x) {
  return x > 0 ? x : 0; /* rounding may leave a little less than nothing */
}

/* From the channels' energies to those along the lead's direction and across
** it.  Their cross spectrum goes to the sums, most where the lead, which lies
** along it, is weak. */
static void rotate (float *row, float c, float s, float *sums) {
  for (int k = 0; k < GRID_BINS; k++) {
    float l = row[k], right = row[GRID_BINS + k],
          cross = row[2 * GRID_BINS + k];
    float r = fabsf(right);
    float along = positive(c * c * l + s * s * r + 2 * c * s * cross);
    float across = positive(s * s * l + c * c * r - 2 * c * s * cross);
    float weight = across / (along + across + 1e-12F);
    row[k] = along;
    row[GRID_BINS + k] = across;
    sums[k] += weight * (c * s * (r - l) + (c * c - s * s) * cross);
    sums[GRID_BINS + k] +=
      weight * copysignf(sqrtf(positive(l * r - cross * cross)), right);
    sums[2 * GRID_BINS + k] += weight * along;
    sums[3 * GRID_BINS + k] += weight * across;
  }
}

/* A block counts twice beside its neighbours.  Less than what was found
** keeps small errors of the masks small, and rounding may find more than
** there can be.  Where little lies across the lead's direction, that may be the
** lead's own, late or from a room. */
static void make_coherence (const float *sums, float *coherence) {
  static const float most = 0.9F, little = 0.1F;
  for (int k = 0; k < GRID_BINS; k++) {
    float sum[4];
    for (int i = 0; i < 4; i++) {
      const float *at = sums + i * GRID_BINS + k;
      sum[i] = at[-SUMS] + 2 * at[0] + at[SUMS];
    }
    float aside = sum[3] + little * sum[2];
    float whole = sqrtf(sum[2] * aside + 1e-18F);
    float scale = most / fmaxf(whole, hypotf(sum[0], sum[1]));
    coherence[k] = sum[0] * scale;
    coherence[GRID_BINS + k] = sum[1] * scale;
  }
}

static void turn (Spectra *s, Segment *segment) {
  float angle = pan_angle(s);
  segment->cosine = cosf(angle);
  segment->sine = sinf(angle);
  memset(s->sums, 0, (size_t)(SEGMENT_BLOCKS + 2) * SUMS * sizeof *s->sums);
  for (int t = 0; t < s->frames; t++)
    rotate(s->rows + (size_t)t * GRID_ROW, segment->cosine, segment->sine,
           s->sums +
             (size_t)(segment_block(segment, segment->first + t) + 1) * SUMS);
  for (int i = 0; i < SEGMENT_BLOCKS; i++)
    make_coherence(s->sums + (size_t)(i + 1) * SUMS,
                   segment->coherence + (size_t)i * 2 * GRID_BINS);
}

void spectra_make (Spectra *s, Segment *segment) {
  int louder;
  const float *samples = segment_samples(segment);
  size_t step = (size_t)GRID_HOP * (size_t)segment->channels;
  s->frames = segment_frames(segment);
  s->rows = segment->data + GRID_ROW;
  s->stereo = is_stereo(segment, &louder);
  samples += s->stereo ? 0 : louder;
  for (int t = 0; t < s->frames; t++)
    transform(s, samples + (size_t)t * step, segment->channels,
              s->rows + (size_t)t * GRID_ROW);
  memset(segment->data, 0, GRID_ROW * sizeof *segment->data);
  memset(s->rows + (size_t)s->frames * GRID_ROW, 0, GRID_ROW * sizeof *s->rows);
  if (s->stereo) {
    turn(s, segment);
    return;
  }
  segment->cosine = 1;
  segment->sine = 0;
  memset(segment->coherence, 0,
         (size_t)SEGMENT_BLOCKS * 2 * GRID_BINS * sizeof *segment->coherence);
}
