/* Random names, signatures and digests, by libavutil and the kernel. */

#include "sandbox/http/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <libavutil/hmac.h>
#include <libavutil/mem.h>
#include <libavutil/sha.h>

#define READ_BYTES (256 * 1024)

bool secret_random (void *p, size_t n) {
  uint8_t *at = p;
  while (n > 0) {
    ssize_t got = getrandom(at, n, 0);
    if (got < 0 && errno != EINTR)
      return false;
    if (got > 0) {
      at += got;
      n -= (size_t)got;
    }
  }
  return true;
}

void secret_hex (char *out, const uint8_t *p, size_t n) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < n; i++) {
    *out++ = digits[p[i] >> 4];
    *out++ = digits[p[i] & 15];
  }
  *out = '\0';
}

bool secret_equal (const char *given, const char *expected) {
  size_t n = strlen(given), m = strlen(expected);
  volatile unsigned difference = (n != m);
  for (size_t i = 0; i < n; i++)
    difference |=
      (unsigned char)given[i] ^ (unsigned char)expected[m ? i % m : 0];
  return difference == 0;
}

bool secret_sign (char out[DIGEST_HEX], const uint8_t key[KEY_BYTES],
                  const char *text) {
  uint8_t mac[DIGEST_BYTES];
  AVHMAC *h = av_hmac_alloc(AV_HMAC_SHA256);
  if (h == NULL)
    return false;
  av_hmac_calc(h, (const uint8_t *)text, (unsigned)strlen(text), key, KEY_BYTES,
               mac, sizeof mac);
  av_hmac_free(h);
  secret_hex(out, mac, sizeof mac);
  return true;
}

static bool digest_descriptor (int fd, const atomic_bool *cancel,
                               struct AVSHA *sha, uint8_t *buffer) {
  for (;;) {
    ssize_t got;
    if (cancel != NULL && atomic_load(cancel))
      return false;
    got = read(fd, buffer, READ_BYTES);
    if (got == 0)
      return true;
    if (got < 0 && errno != EINTR)
      return false;
    if (got > 0)
      av_sha_update(sha, buffer, (size_t)got);
  }
}

bool secret_digest (const char *path, const atomic_bool *cancel,
                    uint8_t out[DIGEST_BYTES]) {
  struct AVSHA *sha = av_sha_alloc();
  uint8_t *buffer = malloc(READ_BYTES);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool ok = sha != NULL && buffer != NULL && fd >= 0 &&
            av_sha_init(sha, 256) == 0 &&
            digest_descriptor(fd, cancel, sha, buffer);
  if (ok)
    av_sha_final(sha, out);
  if (fd >= 0)
    close(fd);
  free(buffer);
  av_free(sha);
  return ok;
}
