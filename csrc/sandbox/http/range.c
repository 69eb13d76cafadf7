/* Reading "bytes=first-last", "bytes=first-" and "bytes=-count". */

#include "sandbox/http/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Digits beyond what a number can hold stand for the largest one: a file is
** never as long.  False when there is no digit. */
static bool read_number (const char **at, uint64_t *out) {
  const char *p = *at;
  *out = 0;
  for (; *p >= '0' && *p <= '9'; p++) {
    uint64_t digit = (uint64_t)(*p - '0');
    *out = *out > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *out * 10 + digit;
  }
  if (p == *at)
    return false;
  *at = p;
  return true;
}

static RangeKind read_suffix (const char *at, uint64_t size, uint64_t *first,
                              uint64_t *length) {
  uint64_t count;
  if (!read_number(&at, &count) || *at != '\0')
    return RANGE_WHOLE;
  if (count == 0 || size == 0)
    return RANGE_BEYOND;
  *length = count < size ? count : size;
  *first = size - *length;
  return RANGE_PART;
}

RangeKind range_parse (const char *header, uint64_t size, uint64_t *first,
                       uint64_t *length) {
  uint64_t last = UINT64_MAX;
  const char *at;
  if (header == NULL || strncasecmp(header, "bytes=", 6) != 0)
    return RANGE_WHOLE;
  at = header + 6;
  if (*at == '-')
    return read_suffix(at + 1, size, first, length);
  if (!read_number(&at, first) || *at++ != '-')
    return RANGE_WHOLE;
  if (*at != '\0' && (!read_number(&at, &last) || *at != '\0'))
    return RANGE_WHOLE;
  if (last < *first)
    return RANGE_WHOLE;
  if (*first >= size)
    return RANGE_BEYOND;
  *length = (last < size ? last + 1 : size) - *first;
  return RANGE_PART;
}
