/* Backoff with jitter, and what may be tried again. */

#include "backoff.h"

#include <stdlib.h>
#include <time.h>

#include "clock.h"

#define FIRST_MS 500
#define LONGEST_MS 30000

/* xorshift64 (Marsaglia 2003): jitter needs no more, and it leaves the host
** program's rand() alone. */
static uint64_t random_next (void) {
  static _Thread_local uint64_t state = 0;
  if (state == 0)
    state = (uint64_t)clock_ms() ^ (uint64_t)(uintptr_t)&state ^
            ((uint64_t)time(NULL) << 32) ^ 0x9E3779B97F4A7C15u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

int64_t backoff_ms (int attempt) {
  int64_t longest = FIRST_MS;
  while (--attempt > 0 && longest < LONGEST_MS)
    longest *= 2;
  if (longest > LONGEST_MS)
    longest = LONGEST_MS;
  return longest / 2 + (int64_t)(random_next() % (uint64_t)(longest / 2 + 1));
}

bool backoff_status (long http_status) {
  return http_status == 408 || http_status == 409 || http_status == 425 ||
         http_status == 429 || (http_status >= 500 && http_status <= 599);
}

bool backoff_unconnected (CURLcode code) {
  switch (code) {
  case CURLE_COULDNT_RESOLVE_PROXY:
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_CONNECT:
  case CURLE_SSL_CONNECT_ERROR:
    return true;
  default:
    return false;
  }
}

bool backoff_code (CURLcode code) {
  switch (code) {
  case CURLE_WEIRD_SERVER_REPLY:
  case CURLE_HTTP2:
  case CURLE_PARTIAL_FILE:
  case CURLE_OPERATION_TIMEDOUT:
  case CURLE_GOT_NOTHING:
  case CURLE_SEND_ERROR:
  case CURLE_RECV_ERROR:
  case CURLE_BAD_CONTENT_ENCODING:
  case CURLE_AGAIN:
  case CURLE_HTTP2_STREAM:
  case CURLE_HTTP3:
  case CURLE_PROXY:
    return true;
  default:
    return backoff_unconnected(code);
  }
}
