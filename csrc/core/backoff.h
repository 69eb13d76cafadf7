/* How long to wait before the next attempt, and whether one is allowed. */

#ifndef CAMB_BACKOFF_H
#define CAMB_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

/* Milliseconds before attempt 'attempt' + 1 (1: the first has failed): half a
** second doubling up to 30 s, of which a random half is taken away, so that
** many clients do not come back together ("equal jitter"). */
int64_t backoff_ms (int attempt);

/* Statuses after which a repeatable request may be made again. */
bool backoff_status (long http_status);

/* Results of libcurl after which a repeatable request may be made again. */
bool backoff_code (CURLcode code);

/* True when 'code' says that no connection was made, so nothing was sent. */
bool backoff_unconnected (CURLcode code);

#endif
