/* Fuzzes the checks on URLs: what is let through is an http or https URL
** without control characters, and its origin is one in every respect. */

#include "fuzz.h"

#include <strings.h>

#include "core/url.h"

static void check_accepted (const char *url) {
  MUST(strncasecmp(url, "http:", 5) == 0 || strncasecmp(url, "https:", 6) == 0);
  for (; *url != '\0'; url++)
    MUST((unsigned char)*url >= ' ' && *url != 0x7F);
}

/* Scheme, host and port, and nothing of what may stand before or behind. */
static void check_origin (const char *origin) {
  const char *host = strstr(origin, "://") + 3, *port = strrchr(origin, ':');
  char *again = url_origin(origin);
  MUST(strncmp(origin, "http://", 7) == 0 ||
       strncmp(origin, "https://", 8) == 0);
  MUST(port > host && strspn(port + 1, "0123456789") == strlen(port + 1));
  MUST(atoi(port + 1) <= 65535);
  MUST(strcspn(host, "/\\@?# \r\n\t") == strlen(host));
  MUST(again != NULL && strcmp(again, origin) == 0);
  free(again);
}

/* A path, a query or a name before the host leads to no other origin. */
static void check_same (const char *origin, const char *format) {
  const char *host = strstr(origin, "://") + 3;
  size_t size = strlen(origin) + strlen(format) + 16;
  char *url = malloc(size), *other;
  MUST(url != NULL);
  snprintf(url, size, format, (int)(host - origin), origin, host);
  other = url_origin(url);
  MUST(other != NULL && strcmp(other, origin) == 0);
  free(other);
  free(url);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  char *url = fuzz_string(data, size), *origin = url_origin(url);
  if (url_problem(url) == NULL) {
    MUST(origin != NULL);
    check_accepted(url);
  }
  if (origin != NULL) {
    check_origin(origin);
    check_same(origin, "%.*s%s/path?@x:1/#@y");
    check_same(origin, "%.*sa:b@%s");
  }
  free(origin);
  free(url);
  return 0;
}
