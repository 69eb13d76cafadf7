/* A reply that is made of given bytes, read by libcurl from a socket. */

#ifndef CAMB_FUZZ_RECEIVED_H
#define CAMB_FUZZ_RECEIVED_H

#include "core/exchange.h"
#include "fuzz.h"

#define RECEIVED_MAX                                                           \
  (128u << 10) /* bytes that a socket takes without a reader */

/* A new exchange that has received those bytes and then the end of the
** connection.  '*code' is what it ended with; exchange_close is due. */
Exchange *received (const void *bytes, size_t size, CURLcode *code);

#endif
