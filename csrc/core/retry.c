/* Backoff with jitter, what may be retried, and Retry-After. */

#include "retry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "timers.h"

#define FIRST_MS 500
#define LONGEST_MS 30000

/* No wait is as long as the time since 1970. */
#define EPOCH_FROM 1e9

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

int64_t retry_backoff_ms (int attempt) {
  int64_t longest = FIRST_MS;
  while (--attempt > 0 && longest < LONGEST_MS)
    longest *= 2;
  if (longest > LONGEST_MS)
    longest = LONGEST_MS;
  return longest / 2 + (int64_t)(random_next() % (uint64_t)(longest / 2 + 1));
}

bool retry_status (long http_status) {
  return http_status == 408 || http_status == 409 || http_status == 425 ||
         http_status == 429 || (http_status >= 500 && http_status <= 599);
}

bool retry_code (CURLcode code) {
  switch (code) {
  case CURLE_COULDNT_RESOLVE_PROXY:
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_CONNECT:
  case CURLE_SSL_CONNECT_ERROR:
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
    return false;
  }
}

/* Days from 1970 to a date; the year begins in March, so that a leap day is its
** last. */
static double days (int year, int month, int day) {
  int y = month > 2 ? year : year - 1, m = (month + 9) % 12;
  return 365.0 * y + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 -
         719468;
}

/* "+02:00", "-0330", "Z" or nothing, in seconds. */
static double offset_of (const char *zone) {
  int hours = 0, minutes = 0;
  char sign = *zone;
  if (sign != '+' && sign != '-')
    return 0;
  if (sscanf(zone + 1, "%2d:%2d", &hours, &minutes) < 2)
    sscanf(zone + 1, "%2d%2d", &hours, &minutes);
  return (sign == '-' ? -60.0 : 60.0) * (hours * 60 + minutes);
}

/* "2094-11-06T08:49:37.5+02:00": seconds since 1970, -1 if it is none. */
static double read_iso (const char *value) {
  int year, month, day, hour, minute, second, end = 0;
  if (sscanf(value, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &year, &month, &day,
             &hour, &minute, &second, &end) < 6 ||
      end == 0 || month < 1 || month > 12 || year < 1970)
    return -1;
  value += end;
  if (*value == '.')
    value += 1 + strspn(value + 1, "0123456789");
  return days(year, month, day) * 86400 + hour * 3600.0 + minute * 60.0 +
         second - offset_of(value);
}

static double read_time (const char *value) {
  double iso = read_iso(value);
  return iso >= 0 ? iso : (double)curl_getdate(value, NULL);
}

/* A decimal number, read with a point in every locale; -1 if it is none. */
static double read_number (const char *value) {
  size_t digits = strspn(value, "0123456789");
  double number = 0;
  const char *rest = value + digits;
  if (digits == 0)
    return -1;
  for (; digits > 0; digits--)
    number = number * 10 + (*value++ - '0');
  if (*rest == '.') {
    number += strspn(rest + 1, "0") < strspn(rest + 1, "0123456789");
    rest += 1 + strspn(rest + 1, "0123456789");
  }
  rest += strspn(rest, " \t");
  return *rest == '\0' || strcmp(rest, "s") == 0 ? number : -1;
}

static double now_of (const char *date) {
  double now = date != NULL && *date != '\0' ? read_time(date) : -1;
  return now >= 0 ? now : (double)time(NULL);
}

long retry_after_read (const char *value, const char *date) {
  double seconds = read_number(value), until = -1;
  if (seconds < 0)
    until = read_time(value);
  else if (seconds >= EPOCH_FROM)
    until = seconds >= EPOCH_FROM * 1000 ? seconds / 1000 : seconds;
  if (until >= 0)
    seconds = until - now_of(date);
  if (seconds <= 0)
    return 0;
  return seconds < RETRY_AFTER_LONGEST ? (long)ceil(seconds)
                                       : RETRY_AFTER_LONGEST;
}
