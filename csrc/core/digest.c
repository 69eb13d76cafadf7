/* SHA-256 as FIPS 180-4 has it; the names are those of its section 6.2. */

#include "digest.h"

#include <string.h>
#include <strings.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_X86
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#endif

static const uint32_t K[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
  0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
  0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
  0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
  0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
  0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotr (uint32_t x, int n) {
  return x >> n | x << (32 - n);
}

static void schedule (uint32_t W[64], const unsigned char *block) {
  for (int t = 0; t < 16; t++, block += 4)
    W[t] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 |
           (uint32_t)block[2] << 8 | block[3];
  for (int t = 16; t < 64; t++) {
    uint32_t x = W[t - 15], y = W[t - 2];
    W[t] = (rotr(y, 17) ^ rotr(y, 19) ^ y >> 10) + W[t - 7] +
           (rotr(x, 7) ^ rotr(x, 18) ^ x >> 3) + W[t - 16];
  }
}

/* One step of the 64: instead of moving the eight words along, the caller
** names them in another order each time. */
#define STEP(a, b, c, d, e, f, g, h, t)                                        \
  do {                                                                         \
    uint32_t T1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) +               \
                  (g ^ (e & (f ^ g))) + K[t] + W[t];                           \
    d += T1;                                                                   \
    h = T1 + (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) +                        \
        ((a & b) | (c & (a | b)));                                             \
  } while (0)

static void compress (uint32_t H[8], const unsigned char *block) {
  uint32_t a = H[0], b = H[1], c = H[2], d = H[3];
  uint32_t e = H[4], f = H[5], g = H[6], h = H[7], W[64];
  schedule(W, block);
  for (int t = 0; t < 64; t += 8) {
    STEP(a, b, c, d, e, f, g, h, t);
    STEP(h, a, b, c, d, e, f, g, t + 1);
    STEP(g, h, a, b, c, d, e, f, t + 2);
    STEP(f, g, h, a, b, c, d, e, t + 3);
    STEP(e, f, g, h, a, b, c, d, t + 4);
    STEP(d, e, f, g, h, a, b, c, t + 5);
    STEP(c, d, e, f, g, h, a, b, t + 6);
    STEP(b, c, d, e, f, g, h, a, t + 7);
  }
  H[0] += a, H[1] += b, H[2] += c, H[3] += d;
  H[4] += e, H[5] += f, H[6] += g, H[7] += h;
}

/* The same by instructions that some x86 processors have for it (Intel SDM
** volume 2: SHA256RNDS2, SHA256MSG1, SHA256MSG2); several times as fast. */
#ifdef HAS_X86

#define SHA_BIT (1u << 29)   /* CPUID leaf 7, EBX */
#define SSE41_BIT (1u << 19) /* CPUID leaf 1, ECX */

static bool look_at_processor (void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & SSE41_BIT) == 0)
    return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & SHA_BIT) != 0;
}

/* In a virtual machine the question costs more than a block. */
static bool has_instructions (void) {
  static atomic_int known; /* 0: not yet, 1: no, 2: yes */
  int answer = atomic_load_explicit(&known, memory_order_relaxed);
  if (answer == 0) {
    answer = 1 + look_at_processor();
    atomic_store_explicit(&known, answer, memory_order_relaxed);
  }
  return answer == 2;
}

#define BY_SHA __attribute__((target("sha,sse4.1")))

/* The instructions want the eight words as (a, b, e, f) and (c, d, g, h), the
** first one in the highest place. */
typedef struct Words {
  __m128i abef, cdgh;
} Words;

BY_SHA static Words gather (const uint32_t H[8]) {
  __m128i dcba = _mm_loadu_si128((const __m128i *)H);
  __m128i hgfe = _mm_loadu_si128((const __m128i *)(H + 4));
  __m128i abcd = _mm_shuffle_epi32(dcba, 0x1B);
  __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1B);
  Words w = {_mm_unpackhi_epi64(efgh, abcd), _mm_unpacklo_epi64(efgh, abcd)};
  return w;
}

BY_SHA static void scatter (uint32_t H[8], Words w) {
  __m128i abcd = _mm_unpackhi_epi64(w.cdgh, w.abef);
  __m128i efgh = _mm_unpacklo_epi64(w.cdgh, w.abef);
  _mm_storeu_si128((__m128i *)H, _mm_shuffle_epi32(abcd, 0x1B));
  _mm_storeu_si128((__m128i *)(H + 4), _mm_shuffle_epi32(efgh, 0x1B));
}

/* Four words of the message, the block's bytes being big-endian. */
BY_SHA static __m128i load (const unsigned char *from) {
  const __m128i order = _mm_set_epi64x(0x0C0D0E0F08090A0B, 0x0405060700010203);
  return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)from), order);
}

/* W[t] to W[t + 3] of those sixteen to four words before. */
BY_SHA static __m128i next_words (const __m128i W[4]) {
  __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(W[0], W[1]),
                              _mm_alignr_epi8(W[3], W[2], 4));
  return _mm_sha256msg2_epu32(sum, W[3]);
}

BY_SHA static Words compress_words (Words w, const unsigned char *block) {
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

BY_SHA static void compress_fast (uint32_t H[8], const unsigned char *data,
                                  size_t blocks) {
  Words w = gather(H);
  for (; blocks > 0; blocks--, data += 64)
    w = compress_words(w, data);
  scatter(H, w);
}

#else

static bool has_instructions (void) {
  return false;
}

static void compress_fast (uint32_t H[8], const unsigned char *data,
                           size_t blocks) {
  (void)H;
  (void)data;
  (void)blocks;
}

#endif

static void compress_all (Digest *d, const unsigned char *data, size_t blocks) {
  if (blocks > 0 && has_instructions()) {
    compress_fast(d->state, data, blocks);
    return;
  }
  for (; blocks > 0; blocks--, data += 64)
    compress(d->state, data);
}

void digest_begin (Digest *d) {
  static const uint32_t H[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(d->state, H, sizeof H);
  d->size = 0;
}

void digest_add (Digest *d, const void *data, size_t size) {
  const unsigned char *from = data;
  size_t held = d->size % sizeof d->block;
  d->size += size;
  if (held != 0) {
    size_t room = sizeof d->block - held, n = size < room ? size : room;
    memcpy(d->block + held, from, n);
    if (n < room)
      return;
    compress_all(d, d->block, 1);
    from += n;
    size -= n;
  }
  compress_all(d, from, size / 64);
  memcpy(d->block, from + size / 64 * 64, size % 64);
}

/* A one bit, zeros, and the length in bits, up to a whole block. */
static void pad (Digest *d) {
  static const unsigned char padding[64] = {0x80};
  uint64_t bits = d->size * 8;
  size_t held = d->size % 64;
  unsigned char length[8];
  for (int i = 0; i < 8; i++)
    length[i] = (unsigned char)(bits >> (56 - 8 * i));
  digest_add(d, padding, held < 56 ? 56 - held : 120 - held);
  digest_add(d, length, sizeof length);
}

void digest_end (Digest *d, unsigned char out[DIGEST_BYTES]) {
  pad(d);
  for (int i = 0; i < DIGEST_BYTES; i++)
    out[i] = (unsigned char)(d->state[i / 4] >> (24 - 8 * (i % 4)));
}

/* RFC 4648 4 */
void digest_base64 (const unsigned char digest[DIGEST_BYTES],
                    char out[DIGEST_TEXT]) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned char padded[DIGEST_BYTES + 1] = {0}, *bytes = padded;
  memcpy(padded, digest, DIGEST_BYTES);
  for (int i = 0; i < 11; i++, bytes += 3, out += 4) {
    uint32_t three =
      (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
    for (int j = 0; j < 4; j++)
      out[j] = letters[three >> (18 - 6 * j) & 63];
  }
  out[-1] = '='; /* the 33rd byte is not ours */
  *out = '\0';
}

void digest_hex (const unsigned char digest[DIGEST_BYTES],
                 char out[DIGEST_HEX]) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < DIGEST_BYTES; i++) {
    *out++ = digits[digest[i] >> 4];
    *out++ = digits[digest[i] & 15];
  }
  *out = '\0';
}

bool digest_find (const char *header, char out[DIGEST_TEXT]) {
  static const char name[] = "sha-256=:";
  size_t length = DIGEST_TEXT - 1;
  for (; *header != '\0'; header++)
    if (strncasecmp(header, name, sizeof name - 1) == 0) {
      header += sizeof name - 1;
      if (strcspn(header, ":") != length || header[length] != ':')
        return false;
      memcpy(out, header, length);
      out[length] = '\0';
      return true;
    }
  return false;
}
