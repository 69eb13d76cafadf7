/* Four floats at a time, on any machine that gcc or clang compile for, and
** the functions of them that the C library has only one at a time. */

#ifndef CAMB_ENGINE_LANES_H
#define CAMB_ENGINE_LANES_H

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { LANES = 4 };

typedef float Lanes __attribute__((vector_size(16), may_alias));
typedef int32_t LanesInt __attribute__((vector_size(16), may_alias));

static inline Lanes lanes_all (float x) {
  return (Lanes){x, x, x, x};
}

static inline LanesInt lanes_all_int (int32_t x) {
  return (LanesInt){x, x, x, x};
}

/* From and to any address; planes' rows may be used as Lanes directly. */
static inline Lanes lanes_load (const float *from) {
  Lanes v;
  memcpy(&v, from, sizeof v);
  return v;
}

static inline void lanes_store (float *to, Lanes v) {
  memcpy(to, &v, sizeof v);
}

/* Per lane: 'a' where the mask is set, else 'b'. */
static inline Lanes lanes_select (LanesInt mask, Lanes a, Lanes b) {
  return (Lanes)((mask & (LanesInt)a) | (~mask & (LanesInt)b));
}

static inline Lanes lanes_min (Lanes a, Lanes b) {
#ifdef __SSE2__
  return _mm_min_ps(a, b);
#else
  return lanes_select(a < b, a, b);
#endif
}

static inline Lanes lanes_max (Lanes a, Lanes b) {
#ifdef __SSE2__
  return _mm_max_ps(a, b);
#else
  return lanes_select(a > b, a, b);
#endif
}

static inline Lanes lanes_clamp (Lanes v, float low, float high) {
  return lanes_min(lanes_max(v, lanes_all(low)), lanes_all(high));
}

static inline Lanes lanes_sqrt (Lanes v) {
#ifdef __SSE2__
  return _mm_sqrt_ps(v);
#else
  for (int i = 0; i < LANES; i++)
    v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

/* To the nearest integer, for |v| below 2^22: beside 1.5 * 2^23 a float has
** no room for a fraction. */
static inline Lanes lanes_round (Lanes v) {
  return (v + 12582912.0F) - 12582912.0F;
}

/* Natural logarithm of a positive, normal number: the mantissa is brought to
** sqrt(1/2) ... sqrt(2), where 2 artanh((m - 1) / (m + 1)) needs few terms. */
static inline Lanes lanes_log (Lanes v) {
  LanesInt bits = (LanesInt)v;
  LanesInt exponent = (bits - 0x3f3504f3) >> 23;
  Lanes m = (Lanes)(bits - (exponent << 23));
  Lanes s = (m - 1.0F) / (m + 1.0F), q = s * s;
  Lanes series =
    2.0F + q * (2.0F / 3 + q * (2.0F / 5 + q * (2.0F / 7 + q * (2.0F / 9))));
  return __builtin_convertvector(exponent, Lanes) * 0.69314718F + s * series;
}

/* e to the power of v, for v clamped to -87 ... 88: a power of two times the
** series of a remainder of at most ln(2) / 2. */
static inline Lanes lanes_exp (Lanes v) {
  v = lanes_clamp(v, -87, 88);
  Lanes n = lanes_round(v * 1.44269504F);
  Lanes r = (v - n * 0.693359375F) + n * 2.12194440e-4F;
  Lanes series = 1.0F / 120 + r * (1.0F / 720 + r * (1.0F / 5040));
  series = 1.0F / 6 + r * (1.0F / 24 + r * series);
  series = 1.0F + r * (1.0F + r * (0.5F + r * series));
  LanesInt power = (__builtin_convertvector(n, LanesInt) + 127) << 23;
  return series * (Lanes)power;
}

/* Four rows become four columns. */
static inline void lanes_transpose (Lanes v[LANES]) {
  Lanes t[LANES];
  for (int i = 0; i < LANES; i++)
    t[i] = (Lanes){v[0][i], v[1][i], v[2][i], v[3][i]};
  memcpy(v, t, sizeof t);
}

#endif
