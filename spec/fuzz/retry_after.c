/* Fuzzes Retry-After: whatever a server writes there, what is read is a time
** to wait, and what RFC 9110 defines is read as it stands.
**
** The first byte says where the value comes from: the input itself, or a time
** in seconds written in one of the forms. */

#include "fuzz.h"

#include <time.h>

#include "core/retry.h"
#include "received.h"

enum {
  PLAIN,
  SECONDS,
  FIXDATE,
  RFC850,
  ASCTIME,
  ISO,
  ISO_OFFSET,
  EPOCH,
  FORMS
};
enum { LONGEST = 10000000, SLACK = 2, EPOCH_FROM = 1000000000 };

static const char *const dates[FORMS] = {
  [FIXDATE] = "%a, %d %b %Y %H:%M:%S GMT",
  [RFC850] = "%A, %d-%b-%y %H:%M:%S GMT",
  [ASCTIME] = "%a %b %e %H:%M:%S %Y",
  [ISO] = "%Y-%m-%dT%H:%M:%SZ",
  [ISO_OFFSET] = "%Y-%m-%d %H:%M:%S.25+00:00",
  [EPOCH] = "%s",
};

static long read_value (const char *value) {
  static const char format[] = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n"
                               "Retry-After: %s\r\n\r\n";
  size_t size = sizeof format + strlen(value);
  char *reply = malloc(size);
  CURLcode code;
  Exchange *x;
  long seconds;
  MUST(reply != NULL);
  size = (size_t)snprintf(reply, size, format, value);
  x = received(reply, size, &code);
  seconds = exchange_retry_after(x);
  MUST(seconds >= -1 && seconds <= LONGEST);
  exchange_close(x);
  free(reply);
  return seconds;
}

static void check_seconds (uint32_t seconds) {
  char text[16];
  snprintf(text, sizeof text, "%u", seconds);
  MUST(read_value(text) == (seconds < LONGEST ? (long)seconds : LONGEST));
}

static void check_date (const char *format, int32_t offset) {
  time_t when = time(NULL) + offset;
  long seconds;
  char text[64];
  struct tm tm;
  gmtime_r(&when, &tm);
  if (strcmp(format, "%s") == 0)
    snprintf(text, sizeof text, "%lld", (long long)when);
  else
    strftime(text, sizeof text, format, &tm);
  seconds = read_value(text);
  if (offset <= 0)
    MUST(seconds == 0);
  else if (offset >= LONGEST + SLACK)
    MUST(seconds == LONGEST);
  else
    MUST(seconds <= offset && seconds >= offset - SLACK);
}

/* Whatever our clock says, the server's own is what its time is meant by. */
static void check_clock (const char *format, int32_t wrong, uint32_t ahead) {
  time_t now = time(NULL) + wrong, when = now + (time_t)(ahead % 100000);
  char value[64], date[64];
  struct tm tm;
  gmtime_r(&when, &tm);
  strftime(value, sizeof value, format, &tm);
  gmtime_r(&now, &tm);
  strftime(date, sizeof date, dates[FIXDATE], &tm);
  MUST(retry_after_read(value, date) == (long)(ahead % 100000));
}

/* Two digits of a year stand for one within half a century. */
static int32_t bounded (uint32_t number) {
  return (int32_t)(number % (3 * LONGEST)) - LONGEST;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  Input in = {data, size};
  int form = input_byte(&in) % FORMS;
  if (size > RECEIVED_MAX / 2)
    return -1;
  if (form == PLAIN) {
    char *value = input_string(&in);
    read_value(value);
    free(value);
  } else if (form == SECONDS)
    check_seconds((uint32_t)(input_number(&in, 4) % EPOCH_FROM));
  else {
    uint32_t number = (uint32_t)input_number(&in, 4);
    check_date(dates[form], bounded(number));
    if (form == ISO || form == FIXDATE)
      check_clock(dates[form], bounded((uint32_t)input_number(&in, 4)), number);
  }
  return 0;
}
