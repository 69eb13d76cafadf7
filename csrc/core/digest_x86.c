/* SHA-256 by the SHA extensions of x86 (Intel SDM volume 2: SHA256RNDS2,
** SHA256MSG1, SHA256MSG2), where the compiler and the processor have them. */

#include "digest_x86.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>

#define SHA_BIT (1u << 29)   /* CPUID leaf 7, EBX */
#define SSE41_BIT (1u << 19) /* CPUID leaf 1, ECX */

static bool look (void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & SSE41_BIT) == 0)
    return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & SHA_BIT) != 0;
}

/* In a virtual machine the question costs more than a block. */
bool digest_x86_is_there (void) {
  static atomic_int known; /* 0: not yet, 1: no, 2: yes */
  int answer = atomic_load_explicit(&known, memory_order_relaxed);
  if (answer == 0) {
    answer = 1 + look();
    atomic_store_explicit(&known, answer, memory_order_relaxed);
  }
  return answer == 2;
}

/* The instructions want the eight words as (a, b, e, f) and (c, d, g, h), the
** first one in the highest place. */
typedef struct Words {
  __m128i abef, cdgh;
} Words;

__attribute__((target("sha,sse4.1"))) static Words
gather (const uint32_t H[8]) {
  __m128i dcba = _mm_loadu_si128((const __m128i *)H);
  __m128i hgfe = _mm_loadu_si128((const __m128i *)(H + 4));
  __m128i abcd = _mm_shuffle_epi32(dcba, 0x1B);
  __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1B);
  Words w = {_mm_unpackhi_epi64(efgh, abcd), _mm_unpacklo_epi64(efgh, abcd)};
  return w;
}

__attribute__((target("sha,sse4.1"))) static void scatter (uint32_t H[8],
                                                           Words w) {
  __m128i abcd = _mm_unpackhi_epi64(w.cdgh, w.abef);
  __m128i efgh = _mm_unpacklo_epi64(w.cdgh, w.abef);
  _mm_storeu_si128((__m128i *)H, _mm_shuffle_epi32(abcd, 0x1B));
  _mm_storeu_si128((__m128i *)(H + 4), _mm_shuffle_epi32(efgh, 0x1B));
}

/* Four words of the message, the block's bytes being big-endian. */
__attribute__((target("sha,sse4.1"))) static __m128i
load (const unsigned char *from) {
  const __m128i order = _mm_set_epi64x(0x0C0D0E0F08090A0B, 0x0405060700010203);
  return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)from), order);
}

/* W[t] to W[t + 3] of those sixteen to four words before. */
__attribute__((target("sha,sse4.1"))) static __m128i
next_words (const __m128i W[4]) {
  __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(W[0], W[1]),
                              _mm_alignr_epi8(W[3], W[2], 4));
  return _mm_sha256msg2_epu32(sum, W[3]);
}

__attribute__((target("sha,sse4.1"))) static Words
compress (Words w, const uint32_t K[64], const unsigned char *block) {
  Words before = w;
  __m128i W[4] = {load(block), load(block + 16), load(block + 32),
                  load(block + 48)};
  for (int t = 0; t < 64; t += 4) {
    __m128i sum =
      _mm_add_epi32(W[0], _mm_loadu_si128((const __m128i *)(K + t)));
    __m128i next = next_words(W);
    w.cdgh = _mm_sha256rnds2_epu32(w.cdgh, w.abef, sum);
    w.abef =
      _mm_sha256rnds2_epu32(w.abef, w.cdgh, _mm_shuffle_epi32(sum, 0x0E));
    W[0] = W[1], W[1] = W[2], W[2] = W[3], W[3] = next;
  }
  w.abef = _mm_add_epi32(w.abef, before.abef);
  w.cdgh = _mm_add_epi32(w.cdgh, before.cdgh);
  return w;
}

__attribute__((target("sha,sse4.1"))) void
digest_x86_compress (uint32_t H[8], const uint32_t K[64],
                     const unsigned char *data, size_t blocks) {
  Words w = gather(H);
  for (; blocks > 0; blocks--, data += 64)
    w = compress(w, K, data);
  scatter(H, w);
}

#else

bool digest_x86_is_there (void) {
  return false;
}

void digest_x86_compress (uint32_t H[8], const uint32_t K[64],
                          const unsigned char *data, size_t blocks) {
  (void)H;
  (void)K;
  (void)data;
  (void)blocks;
}

#endif
