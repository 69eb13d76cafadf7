/* Four floats at a time, on any machine that gcc or clang compile for, and the
** functions of them that the C library has only one at a time.  Numbers become
** Lanes by lanes_all: on an x87, which computes floats with more digits than
** they have, the compiler does not convert numbers by itself. */

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

/* c[0] + c[1] x + c[2] x^2 ...: 'n' of them. */
static inline Lanes lanes_series (Lanes x, const float *c, int n) {
  Lanes sum = lanes_all(c[--n]);
  while (n > 0)
    sum = lanes_all(c[--n]) + x * sum;
  return sum;
}

/* To the nearest integer, for |v| below 2^22: beside 1.5 * 2^23 a float has
** no room for a fraction. */
static inline Lanes lanes_round (Lanes v) {
  Lanes large = lanes_all(12582912.0F);
  return (v + large) - large;
}

/* Natural logarithm of a positive, normal number: the mantissa is brought to
** sqrt(1/2) ... sqrt(2), where 2 artanh((m - 1) / (m + 1)) needs few terms. */
static inline Lanes lanes_log (Lanes v) {
  static const float artanh[] = {2.0F, 2.0F / 3, 2.0F / 5, 2.0F / 7, 2.0F / 9};
  LanesInt bits = (LanesInt)v;
  LanesInt exponent = (bits - 0x3f3504f3) >> 23;
  Lanes m = (Lanes)(bits - (exponent << 23)), one = lanes_all(1);
  Lanes s = (m - one) / (m + one);
  return __builtin_convertvector(exponent, Lanes) * lanes_all(0.69314718F) +
         s * lanes_series(s * s, artanh, 5);
}

/* e to the power of v, for v clamped to -87 ... 88: a power of two times the
** series of a remainder of at most ln(2) / 2. */
static inline Lanes lanes_exp (Lanes v) {
  static const float factorials[] = {
    1, 1, 0.5F, 1.0F / 6, 1.0F / 24, 1.0F / 120, 1.0F / 720, 1.0F / 5040};
  v = lanes_clamp(v, -87, 88);
  Lanes n = lanes_round(v * lanes_all(1.44269504F));
  Lanes r = v - n * lanes_all(0.693359375F) + n * lanes_all(2.12194440e-4F);
  LanesInt power = (__builtin_convertvector(n, LanesInt) + 127) << 23;
  return lanes_series(r, factorials, 8) * (Lanes)power;
}

#endif
