/* Windows: patterns of names, as a POSIX shell has them. */

#include "win/port_private.h"

#include <fnmatch.h>

/* Behind the "]" of a set that begins at 'p', and whether 'c' is in it. */
static const char *in_set (const char *p, char c, bool *is_in) {
  bool negated = *p == '!' || *p == '^', hit = false;
  const char *first = p += negated;
  while (*p != '\0' && (*p != ']' || p == first)) {
    char low = *p == '\\' && p[1] != '\0' ? *++p : *p, high = low;
    if (p[1] == '-' && p[2] != ']' && p[2] != '\0') {
      high = p[2];
      p += 2;
    }
    hit = hit || (c >= low && c <= high);
    p++;
  }
  *is_in = hit != negated;
  return *p == ']' ? p + 1 : NULL;
}

/* What follows the character or set of the pattern that is 'c'; NULL: it is not.
*/
static const char *match_one (const char *p, char c) {
  bool is_in;
  const char *end = *p == '[' ? in_set(p + 1, c, &is_in) : NULL;
  if (end != NULL)
    return is_in ? end : NULL;
  if (*p == '?')
    return p + 1;
  if (*p == '\\' && p[1] != '\0')
    p++;
  return *p == c ? p + 1 : NULL;
}

/* A star that fails takes one character more: there is never more than one to
** come back to. */
int fnmatch (const char *p, const char *s, int flags) {
  const char *star = NULL, *resume = NULL;
  (void)flags; /* FNM_PERIOD */
  if (*s == '.' && *p != '.' && !(*p == '\\' && p[1] == '.'))
    return FNM_NOMATCH;
  while (*s != '\0') {
    const char *next = *p == '*' || *p == '\0' ? NULL : match_one(p, *s);
    if (*p == '*') {
      star = ++p;
      resume = s;
    } else if (next != NULL) {
      p = next;
      s++;
    } else if (star != NULL) {
      p = star;
      s = ++resume;
    } else {
      return FNM_NOMATCH;
    }
  }
  while (*p == '*')
    p++;
  return *p == '\0' ? 0 : FNM_NOMATCH;
}
