/* What may be retried, and when: after a backoff, or after the pause that a
** server asks for (Retry-After, RFC 9110 10.2.3). */

#ifndef CAMB_RETRY_H
#define CAMB_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

#define RETRY_AFTER_LONGEST 10000000L /* seconds */

/* Milliseconds before attempt 'attempt' + 1 (1: the first has failed): half a
** second doubling up to 30 s, of which a random half is taken away, so that
** many clients do not come back together ("equal jitter"). */
int64_t retry_backoff_ms (int attempt);

/* Statuses after which a repeatable request may be retried. */
bool retry_status (long http_status);

/* Results of libcurl after which a repeatable request may be retried. */
bool retry_code (CURLcode code);

/* Seconds to wait, at most RETRY_AFTER_LONGEST; 0: that time has passed, or
** 'value' is malformed.  It may be a number of seconds or a time: in one of
** HTTP's three forms, in ISO 8601, or in seconds since 1970.  A time is
** compared with 'date', the server's own, as the local clock may be wrong;
** without a valid 'date', with the local clock. */
long retry_after_read (const char *value, const char *date);

#endif
