/* Taking request targets apart. */

#include "sandbox/http/request_target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool request_target_split (const char *target, char **path, char **query) {
  const char *start = target, *mark, *authority = strstr(target, "://");
  if (target[0] != '/' && authority != NULL) {
    start = strchr(authority + 3, '/');
    if (start == NULL)
      start = "/";
  }
  mark = strchr(start, '?');
  *path = mark == NULL ? strdup(start) : strndup(start, (size_t)(mark - start));
  *query = mark == NULL ? NULL : strdup(mark + 1);
  return *path != NULL && (mark == NULL || *query != NULL);
}

static int digit (char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

char *request_target_decode (const char *text, size_t n) {
  char *out = malloc(n + 1), *to = out;
  if (out == NULL)
    return NULL;
  for (size_t i = 0; i < n; i++) {
    if (text[i] == '%' && n - i > 2 && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      *to++ = (char)(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else
      *to++ = text[i];
  }
  *to = '\0';
  if (strlen(out) == (size_t)(to - out))
    return out;
  free(out);
  errno = EILSEQ;
  return NULL;
}

static char *decode_value (const char *value, size_t n) {
  char *out, *copy = strndup(value, n);
  if (copy == NULL)
    return NULL;
  for (char *p = copy; *p != '\0'; p++)
    if (*p == '+')
      *p = ' ';
  out = request_target_decode(copy, strlen(copy));
  free(copy);
  return out;
}

char *request_target_query (const char *query, const char *name) {
  size_t length = strlen(name);
  while (query != NULL && *query != '\0') {
    size_t n = strcspn(query, "&");
    if (n > length && strncmp(query, name, length) == 0 && query[length] == '=')
      return decode_value(query + length + 1, n - length - 1);
    query += n + (query[n] == '&');
  }
  return NULL;
}

bool request_target_integer (const char *text, int64_t *out) {
  const char *digits = text + (text[0] == '-' || text[0] == '+');
  if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0')
    return false;
  errno = 0;
  *out = strtoimax(text, NULL, 10);
  return errno == 0;
}
