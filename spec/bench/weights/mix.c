/* Mixes spectrograms of the pool, and computes of the mixture what the network
** reads; and judges the network's masks.  Built and called by mix.py.
**
** What the network reads and gives comes band by band, those of one width in
** one array: bands x mixtures x frames x values. */

#ifdef __F16C__
#include <immintrin.h>
#endif
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 1024, ANGLES = 91, HALF = 64, WIDTHS = 5, STRETCH = 8, BAND = 16 };
static const float HZ = 44100.0F / 4096;
static const float DEGREE = 0.0174532925F;
static const struct {
  int bins, bands;
} widths[WIDTHS] = { { 8, 12 }, { 16, 8 }, { 32, 8 }, { 64, 4 }, { 96, 3 } };

/* One channel of a recording: where its spectrogram begins, its share in each
** channel of the mixture, a gain for each bin, and the frames where it pauses. */
typedef struct {
  const _Float16 *bins; /* frames x BINS x 2 */
  const float *tone;
  float gain[2];
  int pause, resume;
} Part;

/* Each is frames x planes x BINS, along the lead and across it: the mixture's
** energy, the real part of lead times conjugate mixture, the lead's energy. */
typedef struct {
  float *energy, *common, *lead;
} Output;

/* Arrays of all widths, and of which of how many mixtures this is. */
typedef struct {
  float *of[WIDTHS];
  int mixture, mixtures;
} Bands;

typedef struct {
  float *x[2]; /* frames x 2 x BINS: real parts, imaginary parts */
  int channels, frames;
} Signal;

static size_t size_of (const Signal *s) {
  return (size_t)s->frames * BINS * 2;
}

static double energy_of (const Signal *s) {
  double sum = 0;
  for (int c = 0; c < s->channels; c++)
    for (int t = 0; t < s->frames; t++) {
      const float *x = s->x[c] + (size_t)t * BINS * 2;
      float row = 0;
      for (int i = 0; i < BINS * 2; i++)
        row += x[i] * x[i];
      sum += row;
    }
  return sum;
}

/* A row of a spectrogram; compilers take such numbers one by one. */
static void widen (const _Float16 *in, float *out) {
#ifdef __F16C__
  for (int k = 0; k < 2 * BINS; k += 8)
    _mm256_storeu_ps(
      out + k, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(in + k))));
#else
  for (int k = 0; k < 2 * BINS; k++)
    out[k] = (float)in[k];
#endif
}

static void add_part (Signal *s, const Part *p) {
  for (int t = 0; t < s->frames; t++) {
    if (t >= p->pause && t < p->resume)
      continue;
    float row[2 * BINS], re[BINS], im[BINS];
    widen(p->bins + (size_t)t * BINS * 2, row);
    for (int k = 0; k < BINS; k++) {
      re[k] = row[2 * k] * p->tone[k];
      im[k] = row[2 * k + 1] * p->tone[k];
    }
    for (int c = 0; c < s->channels; c++) {
      if (p->gain[c] == 0)
        continue;
      float *out = s->x[c] + (size_t)t * BINS * 2;
      for (int k = 0; k < BINS; k++) {
        out[k] += re[k] * p->gain[c];
        out[BINS + k] += im[k] * p->gain[c];
      }
    }
  }
}

/* As csrc/engine/pan.c finds it: the peak of what moves, if not out of phase. */
static float lead_angle (const Signal *s) {
  int lo = (int)(150 / HZ), hi = (int)(5000 / HZ);
  float h[ANGLES + 2] = { 0 }, mean[BINS] = { 0 };
  int count = (s->frames + 1) / 2;
  for (int pass = 0; pass < 2; pass++)
    for (int t = 0; t < s->frames; t += 2)
      for (int k = lo; k < hi; k++) {
        const float *l = s->x[0] + (size_t)t * BINS * 2 + k;
        const float *r = s->x[1] + (size_t)t * BINS * 2 + k;
        float el = l[0] * l[0] + l[BINS] * l[BINS];
        float er = r[0] * r[0] + r[BINS] * r[BINS];
        float v = sqrtf((el + er) / 2);
        if (pass == 0) {
          mean[k] += v / count;
          continue;
        }
        v -= 1.5F * mean[k];
        if (v <= 0 || l[0] * r[0] + l[BINS] * r[BINS] < 0)
          continue;
        int at = (int)(atan2f(sqrtf(er), sqrtf(el)) / DEGREE + .5F);
        h[1 + (at < ANGLES ? at : ANGLES - 1)] += v * v;
      }
  int best = 1;
  float most = -1;
  for (int i = 1; i <= ANGLES; i++) {
    float v = .25F * h[i - 1] + .5F * h[i] + .25F * h[i + 1];
    if (v > most)
      most = v, best = i;
  }
  return (best - 1) * DEGREE;
}

static void describe (const Signal *x, const Signal *s, const Output *o) {
  float a = x->channels == 2 ? lead_angle(x) : 0, ca = cosf(a), sa = sinf(a);
  int last = x->channels - 1;
  for (int t = 0; t < x->frames; t++) {
    size_t at = (size_t)t * BINS * 2;
    const float *l = x->x[0] + at, *r = x->x[last] + at;
    const float *fl = s->x[0] + at, *fr = s->x[last] + at;
    for (int plane = 0; plane < 2; plane++) {
      float left = plane == 0 ? ca : -sa, right = plane == 0 ? sa : ca;
      if (x->channels == 1)
        left = plane == 0, right = 0;
      float *energy = o->energy + at + plane * BINS;
      float *common = o->common + at + plane * BINS;
      float *lead = o->lead + at + plane * BINS;
      for (int k = 0; k < BINS; k++) {
        float xr = left * l[k] + right * r[k];
        float xi = left * l[BINS + k] + right * r[BINS + k];
        float fr_ = left * fl[k] + right * fr[k];
        float fi_ = left * fl[BINS + k] + right * fr[BINS + k];
        energy[k] = xr * xr + xi * xi;
        common[k] = fr_ * xr + fi_ * xi;
        lead[k] = fr_ * fr_ + fi_ * fi_;
      }
    }
  }
}

static float *band_of (const Bands *b, int i, int band, int frames, int size) {
  return b->of[i] +
         ((size_t)band * b->mixtures + b->mixture) * frames * size;
}

/* Three planes of a frame, band by band. */
static void arrange (const float *planes, int t, int frames, const Bands *out) {
  for (int i = 0, bin = 0; i < WIDTHS; i++)
    for (int band = 0; band < widths[i].bands; band++, bin += widths[i].bins) {
      int w = widths[i].bins;
      float *to = band_of(out, i, band, frames, 3 * w) + (size_t)t * 3 * w;
      for (int plane = 0; plane < 3; plane++)
        memcpy(to + plane * w, planes + plane * BINS + bin, w * sizeof *to);
    }
}

/* Magnitudes to the power of 0.3, along the lead and across it, and how far the
** first is above its own mean in 3 s around: all over the mean of all bins along
** the lead in these 3 s; then less a mean, times a scale.  `f` is room for 2
** planes of each frame. */
static void features (int frames, const Output *o, const float *mean,
                      const float *scale, float *f, const Bands *out) {
  double around[BINS] = { 0 };
  int from = 0, to = 0;
  for (size_t i = 0; i < (size_t)frames * BINS * 2; i++)
    f[i] = expf(.15F * logf(o->energy[i] + 1e-9F));
  for (int t = 0; t < frames; t++) {
    const float *row = f + (size_t)t * BINS * 2;
    float planes[3 * BINS];
    double sum = 0;
    int a = t - HALF < 0 ? 0 : t - HALF;
    int b = t + HALF + 1 > frames ? frames : t + HALF + 1;
    for (; to < b; to++)
      for (int k = 0; k < BINS; k++)
        around[k] += f[(size_t)to * BINS * 2 + k];
    for (; from < a; from++)
      for (int k = 0; k < BINS; k++)
        around[k] -= f[(size_t)from * BINS * 2 + k];
    for (int k = 0; k < BINS; k++) {
      planes[2 * BINS + k] = row[k] - (float)(around[k] / (b - a));
      sum += around[k] / (b - a);
    }
    memcpy(planes, row, 2 * BINS * sizeof *row);
    float level = (float)(BINS / sum);
    for (int k = 0; k < 3 * BINS; k++)
      planes[k] = (planes[k] * level - mean[k]) * scale[k];
    arrange(planes, t, frames, out);
  }
}

/* `leads` parts are the foreground, those after them the rest, which is made
** `db` louder or softer: the lead's level over it. */
int mix (int frames, int channels, const Part *parts, int leads, int count,
         float db, const Output *out, const float *mean, const float *scale,
         const Bands *bands) {
  Signal s = { { 0 }, channels, frames }, b = s;
  int ok = 1;
  for (int c = 0; c < channels; c++) {
    ok &= (s.x[c] = calloc(size_of(&s), sizeof(float))) != NULL;
    ok &= (b.x[c] = calloc(size_of(&b), sizeof(float))) != NULL;
  }
  if (ok) {
    for (int i = 0; i < count; i++)
      add_part(i < leads ? &s : &b, &parts[i]);
    double es = energy_of(&s), eb = energy_of(&b);
    float gain = 1;
    if (es > 1e-3 && eb > 1e-3)
      gain = (float)(sqrt(es / eb) * pow(10, -db / 20));
    for (int c = 0; c < channels; c++)
      for (size_t i = 0; i < size_of(&s); i++)
        b.x[c][i] = s.x[c][i] + gain * b.x[c][i];
    describe(&b, &s, out);
    features(frames, out, mean, scale, s.x[0], bands);
  }
  for (int c = 0; c < channels; c++) {
    free(s.x[c]);
    free(b.x[c]);
  }
  return ok;
}

/* --- the judge -------------------------------------------------------------- */

typedef struct {
  int frames;
  float floor; /* of the error, beside the stem */
  float local; /* what stretches count beside the whole */
  Output is;
  float *mask;          /* frames x 2 x BINS */
  float *error, *power; /* of each stretch of each band */
  float *factor;
} Judge;

static const float DB = 4.3429448F; /* 10 / ln 10 */

static int stretches_of (const Judge *j) {
  return (j->frames + STRETCH - 1) / STRETCH;
}

/* From logits to masks. */
static void open_masks (const Judge *j, const Bands *logits, float bias) {
  for (int i = 0, bin = 0; i < WIDTHS; i++)
    for (int band = 0; band < widths[i].bands; band++, bin += widths[i].bins) {
      int w = widths[i].bins;
      const float *x = band_of(logits, i, band, j->frames, 2 * w);
      for (int t = 0; t < j->frames; t++)
        for (int plane = 0; plane < 2; plane++, x += w) {
          float *m = j->mask + ((size_t)t * 2 + plane) * BINS + bin;
          for (int k = 0; k < w; k++) {
            float v = -x[k] - bias; /* fast arithmetic knows no infinity */
            m[k] = 1 / (1 + expf(v < -30 ? -30 : v > 30 ? 30 : v));
          }
        }
    }
}

/* Sums over all bins: mixture, lead times mixture, lead, estimate, lead times
** estimate, error. */
typedef struct {
  double all, both, lead, own, cross, error;
} Sums;

static void add_row (const Judge *j, int t, int plane, Sums *s) {
  size_t at = ((size_t)t * 2 + plane) * BINS;
  const float *m = j->mask + at, *e = j->is.energy + at;
  const float *c = j->is.common + at, *l = j->is.lead + at;
  size_t first = (size_t)(t / STRETCH) * (BINS / BAND);
  for (int b = 0; b < BINS / BAND; b++, m += BAND, e += BAND, c += BAND,
           l += BAND) {
    float all = 0, both = 0, lead = 0, own = 0, cross = 0;
    for (int k = 0; k < BAND; k++) {
      all += e[k];
      both += c[k];
      lead += l[k];
      own += m[k] * m[k] * e[k];
      cross += m[k] * c[k];
    }
    float error = lead - 2 * cross + own;
    s->all += all, s->both += both, s->lead += lead, s->own += own;
    s->cross += cross, s->error += error;
    j->error[first + b] += error;
    j->power[first + b] += all;
  }
}

static float decibel (double x) {
  return DB * (float)log(x);
}

/* The loss of the whole, and its derivative by the error.  Where there is no
** lead, or nothing else, 25 dB are enough: to ask for more makes leads suffer. */
static float whole (const Judge *j, const Sums *s, float *slope) {
  double rest = s->all - 2 * s->both + s->lead, limit = 1e-4 * s->all;
  if (s->all < 1e-3) { /* silence */
    *slope = 0;
    return 0;
  }
  rest = rest > 0 ? rest : 0;
  double error = s->error > 0 ? s->error : 0;
  if (s->lead < 1e-3 * s->all || rest < 1e-3 * s->all) {
    double raised = error + 3e-3 * s->all;
    *slope = .6F * DB / (float)raised;
    return .6F * decibel(raised / s->all);
  }
  double fg = error + j->floor * s->lead + limit;
  double bg = error + j->floor * rest + limit;
  *slope = DB * (float)((1 / fg + .5 / bg) / 1.5);
  return (decibel(fg / (rest + limit)) + .5F * decibel(bg / (s->lead + limit))) /
         1.5F;
}

/* What a band counts: the lowest are few, and a bass is in them. */
static float share_of (int band) {
  return band == 0 ? 4 : band == 1 ? 1.5F : 1;
}

/* The error of each stretch beside the mixture there; what is 40 dB below the
** loudest does not count. */
static float stretches (const Judge *j) {
  int count = stretches_of(j) * (BINS / BAND), heard = 0;
  float loudest = 0, sum = 0;
  for (int i = 0; i < count; i++)
    loudest = j->power[i] > loudest ? j->power[i] : loudest;
  for (int i = 0; i < count; i++)
    heard += j->power[i] > 1e-4F * loudest + 1e-9F;
  for (int i = 0; i < count; i++) {
    float x = j->power[i], e = j->error[i] > 0 ? j->error[i] : 0;
    j->factor[i] = 0;
    if (!(x > 1e-4F * loudest + 1e-9F))
      continue;
    float share = share_of(i % (BINS / BAND)) / heard;
    sum += share * decibel((e + 3e-3F * x) / x);
    j->factor[i] = share * j->local * DB / (e + 3e-3F * x);
  }
  return j->local * sum;
}

/* By the logits, to where they came from. */
static void slopes (const Judge *j, float slope, const Bands *out) {
  for (int i = 0, bin = 0; i < WIDTHS; i++)
    for (int band = 0; band < widths[i].bands; band++, bin += widths[i].bins) {
      int w = widths[i].bins;
      float *g = band_of(out, i, band, j->frames, 2 * w);
      for (int t = 0; t < j->frames; t++)
        for (int plane = 0; plane < 2; plane++, g += w) {
          size_t at = ((size_t)t * 2 + plane) * BINS + bin;
          const float *m = j->mask + at, *e = j->is.energy + at;
          const float *c = j->is.common + at;
          const float *f = j->factor + (size_t)(t / STRETCH) * (BINS / BAND);
          for (int k = 0; k < w; k++)
            g[k] = (slope + f[(bin + k) / BAND]) * 2 * (m[k] * e[k] - c[k]) *
                   m[k] * (1 - m[k]);
        }
    }
}

/* What a mixture's masks lose, in dB; its derivative by the logits, unless
** `out` has none; and the Sums. */
float judge (int frames, float floor, float local, float bias, const Output *is,
             const Bands *logits, const Bands *out, Sums *sums) {
  Judge j = { .frames = frames, .floor = floor, .local = local, .is = *is };
  size_t count = (size_t)stretches_of(&j) * (BINS / BAND);
  j.mask = malloc((size_t)frames * 2 * BINS * sizeof(float));
  j.error = calloc(3 * count, sizeof(float));
  if (j.mask == NULL || j.error == NULL)
    abort();
  j.power = j.error + count;
  j.factor = j.power + count;
  memset(sums, 0, sizeof *sums);
  open_masks(&j, logits, bias);
  for (int t = 0; t < frames; t++)
    for (int plane = 0; plane < 2; plane++)
      add_row(&j, t, plane, sums);
  float slope, loss = whole(&j, sums, &slope) + stretches(&j);
  if (out->of[0] != NULL)
    slopes(&j, slope, out);
  free(j.mask);
  free(j.error);
  return loss;
}
