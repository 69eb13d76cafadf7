/* Makes text of unknown origin fit to be shown. */

#include "engine/sanitize.h"

#include <stdint.h>
#include <string.h>

/* Bytes of the UTF-8 character at 'p', of which 'left' are there, and the
** character; 0 if there is none. */
static size_t decode (const unsigned char *p, size_t left, uint32_t *c) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t n = p[0] < 0x80           ? 1
             : (p[0] >> 5) == 0x06 ? 2
             : (p[0] >> 4) == 0x0E ? 3
             : (p[0] >> 3) == 0x1E ? 4
                                   : 0;
  if (n == 0 || n > left)
    return 0;
  *c = n == 1 ? p[0] : p[0] & (0x7Fu >> n);
  for (size_t i = 1; i < n; i++) {
    if ((p[i] & 0xC0) != 0x80)
      return 0;
    *c = *c << 6 | (p[i] & 0x3F);
  }
  return *c < least[n] || *c > 0x10FFFF || (*c >= 0xD800 && *c < 0xE000) ? 0
                                                                         : n;
}

size_t sanitize_text (char *text, size_t n) {
  size_t to = 0, length;
  uint32_t c = 0;
  for (size_t at = 0; at<n; at += length> 0 ? length : 1) {
    length = decode((unsigned char *)text + at, n - at, &c);
    if (length == 0)
      continue;
    if (c <= ' ' || (c >= 0x7F && c <= 0xA0)) {
      if (to > 0 && text[to - 1] != ' ')
        text[to++] = ' ';
      continue;
    }
    memmove(text + to, text + at, length);
    to += length;
  }
  return to > 0 && text[to - 1] == ' ' ? to - 1 : to;
}
