/* SHA-256 (FIPS 180-4), and the header in which a server says what a body's
** digest is (Repr-Digest, RFC 9530).  The client links libcurl and nothing
** else, and libcurl exports no hash: hence this one. */

#ifndef CAMB_DIGEST_H
#define CAMB_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Digest {
  uint32_t state[8];
  uint64_t size; /* bytes taken so far */
  unsigned char block[64];
} Digest;

#define DIGEST_BYTES 32
#define DIGEST_TEXT 45 /* a digest in base64, and its NUL */
#define DIGEST_HEX 65  /* in hexadecimal digits, and its NUL */

/* Begin. */
void digest_begin (Digest *d);

/* Take 'size' bytes. */
void digest_add (Digest *d, const void *data, size_t size);

/* End, and write the digest.  Begin again before 'd' is reused. */
void digest_end (Digest *d, unsigned char out[DIGEST_BYTES]);

/* A digest in base64, or in hexadecimal digits. */
void digest_base64 (const unsigned char digest[DIGEST_BYTES],
                    char out[DIGEST_TEXT]);
void digest_hex (const unsigned char digest[DIGEST_BYTES],
                 char out[DIGEST_HEX]);

/* The SHA-256 in a header's value, such as "sha-256=:…:, md5=:…:"; false when
** it names none. */
bool digest_find (const char *header, char out[DIGEST_TEXT]);

#endif
