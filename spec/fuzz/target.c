/* Fuzzes request targets: paths, queries, percent-encoding, integers. */

#include "fuzz.h"

#include <inttypes.h>

#include "sandbox/http/request_target.h"

/* The path and the query are all that stands behind the origin. */
static void check_split (const char *target) {
  char *path, *query;
  size_t n = strlen(target), rest;
  MUST(request_target_split(target, &path, &query));
  rest = strlen(path) + (query != NULL ? strlen(query) + 1 : 0);
  MUST(strchr(path, '?') == NULL);
  if (rest <= n && strcmp(path, "/") != 0) {
    const char *tail = target + n - rest;
    MUST(strncmp(tail, path, strlen(path)) == 0);
    MUST(query == NULL || strcmp(tail + strlen(path) + 1, query) == 0);
  }
  MUST(target[0] != '/' || rest == n);
  free(path);
  free(query);
}

static char *encode (const char *text, const char *prefix) {
  size_t size = strlen(prefix) + 3 * strlen(text) + 1;
  char *out = malloc(size), *to = out;
  MUST(out != NULL);
  to += snprintf(to, size, "%s", prefix);
  for (; *text != '\0'; text++)
    to += snprintf(to, 4, "%%%02x", (unsigned char)*text);
  return out;
}

/* What was encoded comes back, in a path and in a query. */
static void check_round (const char *text) {
  char *path = encode(text, ""), *query = encode(text, "b=c&&a=");
  char *decoded = request_target_decode(path, strlen(path));
  char *value = request_target_query(query, "a");
  MUST(decoded != NULL && strcmp(decoded, text) == 0);
  MUST(value != NULL && strcmp(value, text) == 0);
  free(path);
  free(query);
  free(decoded);
  free(value);
}

static void check_decode (const uint8_t *data, size_t size) {
  char *decoded = request_target_decode((const char *)data, size);
  MUST(decoded == NULL || strlen(decoded) <= size);
  free(decoded);
}

static void check_integer (const char *text) {
  int64_t number, again;
  char written[24];
  if (!request_target_integer(text, &number))
    return;
  snprintf(written, sizeof written, "%" PRId64, number);
  MUST(request_target_integer(written, &again) && again == number);
  MUST(text[strspn(text, "+-0123456789")] == '\0');
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  char *text = fuzz_string(data, size);
  check_split(text);
  check_round(text);
  check_decode(data, size);
  check_integer(text);
  free(request_target_query(text, "expires"));
  free(text);
  return 0;
}
