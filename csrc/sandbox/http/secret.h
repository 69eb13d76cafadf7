/* Secrets and how to compare them: random names, HMAC signatures, SHA-256
** digests. */

#ifndef CAMB_SANDBOX_HTTP_SECRET_H
#define CAMB_SANDBOX_HTTP_SECRET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_BYTES 32
#define DIGEST_BYTES 32
#define DIGEST_HEX (2 * DIGEST_BYTES + 1)

/* Fill 'p' with 'n' random bytes of the kernel.  False when it has none. */
bool secret_random (void *p, size_t n);

/* 'n' bytes as 2n lowercase hex digits and a NUL. */
void secret_hex (char *out, const uint8_t *p, size_t n);

/* Whether two strings are equal, in a time that does not tell where they
** differ.  The length of 'given' is not hidden: the caller knows it. */
bool secret_equal (const char *given, const char *expected);

/* HMAC-SHA256 of 'text' in hex.  False on out of memory. */
bool secret_sign (char out[DIGEST_HEX], const uint8_t key[KEY_BYTES],
                  const char *text);

/* SHA-256 of a whole file.  False when it cannot be read, or as soon as
** '*cancel' (may be NULL) is true.  Blocks. */
bool secret_digest (const char *path, const atomic_bool *cancel,
                    uint8_t out[DIGEST_BYTES]);

#endif
