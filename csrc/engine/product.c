/* Rows of floats times a matrix. */

#include "engine/product.h"

enum { ROWS = 6 };

/* Under a sanitizer this would take all of the time; the sizes of its arguments
** are constants. */
#define UNCHECKED                                                              \
  __attribute__((no_sanitize("address"), no_sanitize("undefined"),             \
                 no_sanitize("thread"), no_profile_instrument_function))

#define NAME(x) x##_plain
#define BYTES 16
#define ALL(x)                                                                 \
  { x, x, x, x }
#define ATTRIBUTES UNCHECKED
#include "engine/product_tile.h"

/* CAMB_WITHOUT_AVX2: valgrind computes each fused multiplication in software. */
#if (defined __x86_64__ || defined __i386__) && !defined CAMB_WITHOUT_AVX2

#define NAME(x) x##_avx2
#define BYTES 32
#define ALL(x)                                                                 \
  { x, x, x, x, x, x, x, x }
#define ATTRIBUTES UNCHECKED __attribute__((target("avx2,fma")))
#include "engine/product_tile.h"

Product *product_for (int plain) {
  if (!plain && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return product_avx2;
  return product_plain;
}

#else

Product *product_for (int plain) {
  (void)plain;
  return product_plain;
}

#endif
