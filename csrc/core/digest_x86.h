/* The inner part of SHA-256 by instructions that some x86 processors have for
** it; several times as fast. */

#ifndef CAMB_DIGEST_X86_H
#define CAMB_DIGEST_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when this processor has them. */
bool digest_x86_is_there (void);

/* Take 'blocks' times 64 bytes into the state 'H', with the constants 'K' of
** FIPS 180-4.  Only where digest_x86_is_there. */
void digest_x86_compress (uint32_t H[8], const uint32_t K[64],
                          const unsigned char *data, size_t blocks);

#endif
