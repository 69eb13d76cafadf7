/* Checks on URLs, by libcurl's parser. */

#include "url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

static int is_http (const char *scheme) {
  return strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;
}

/* Scheme, host and port; the caller frees what is there, also on failure, which
** is EINVAL or ENOMEM. */
static int split (const char *url, char **scheme, char **host, char **port) {
  CURLU *parsed = curl_url();
  CURLUcode code = CURLUE_OUT_OF_MEMORY;
  if (parsed != NULL)
    code = curl_url_set(parsed, CURLUPART_URL, url, 0);
  if (code == CURLUE_OK)
    code = curl_url_get(parsed, CURLUPART_SCHEME, scheme, 0);
  if (code == CURLUE_OK)
    code = curl_url_get(parsed, CURLUPART_HOST, host, 0);
  if (code == CURLUE_OK)
    code = curl_url_get(parsed, CURLUPART_PORT, port, CURLU_DEFAULT_PORT);
  curl_url_cleanup(parsed);
  if (code == CURLUE_OUT_OF_MEMORY)
    return ENOMEM;
  return code == CURLUE_OK && is_http(*scheme) && (*host)[0] != '\0' ? 0
                                                                     : EINVAL;
}

static void release (char *scheme, char *host, char *port) {
  curl_free(scheme);
  curl_free(host);
  curl_free(port);
}

bool url_is_clean (const char *url) {
  const unsigned char *c = (const unsigned char *)url;
  while (*c >= ' ' && *c != 0x7F)
    c++;
  return *c == '\0';
}

/* The host, or the name before it; NULL if "://" is not followed by one:
** libcurl would accept fewer slashes, or more. */
static const char *authority_begin (const char *url) {
  const char *colon = strchr(url, ':');
  if (colon == NULL || strncmp(colon, "://", 3) != 0 ||
      strcspn(colon + 3, "/?#") == 0)
    return NULL;
  return colon + 3;
}

/* Where the path begins, or whatever else follows the host. */
static const char *behind_authority (const char *url) {
  const char *host = authority_begin(url);
  return host != NULL ? host + strcspn(host, "/?#") : url + strlen(url);
}

/* Characters that people write in a URL although they must be escaped;
** signatures are made over the escaped form (RFC 3986 2.1). */
static bool needs_escape (unsigned char c) {
  return c == ' ' || c == '"' || c == '<' || c == '>' || c > 0x7E;
}

char *url_canonical (const char *url) {
  static const char digits[] = "0123456789ABCDEF";
  const char *path = behind_authority(url), *colon = strchr(url, ':'), *c;
  char *copy = malloc((size_t)(path - url) + 3 * strlen(path) + 1), *out = copy;
  if (copy == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  for (c = url; *c != '\0'; c++) {
    unsigned char byte = (unsigned char)*c;
    if (c >= path && needs_escape(byte)) {
      *out++ = '%';
      *out++ = digits[byte >> 4];
      *out++ = digits[byte & 15];
    } else if (colon != NULL && c < colon && byte >= 'A' && byte <= 'Z') {
      *out++ = (char)(byte - 'A' + 'a');
    } else {
      *out++ = *c;
    }
  }
  *out = '\0';
  return copy;
}

/* URLs of one host come one after the other, and what stands before the path
** decides whether they are good and where they lead: it is parsed once. */
static _Thread_local struct {
  char authority[128]; /* "https://host:port" as it was written */
  char origin[192];
} latest;

/* The bytes before the path; 0: there is none, or they are not to be kept. */
static size_t authority_of (const char *url) {
  const char *host = authority_begin(url);
  size_t size;
  if (host == NULL)
    return 0;
  size = (size_t)(host - url) + strcspn(host, "/?#@");
  return url[size] == '/' && size < sizeof latest.authority ? size : 0;
}

static bool is_latest (const char *url, size_t authority) {
  return authority != 0 && latest.authority[authority] == '\0' &&
         strncmp(url, latest.authority, authority) == 0;
}

static char *parse_origin (const char *url) {
  char *scheme = NULL, *host = NULL, *port = NULL, *origin = NULL, *c;
  char *canonical = url_canonical(url);
  int error = ENOMEM;
  if (canonical != NULL)
    error = authority_begin(url) != NULL
              ? split(canonical, &scheme, &host, &port)
              : EINVAL;
  free(canonical);
  if (error == 0) {
    size_t size = strlen(scheme) + strlen(host) + strlen(port) + 5;
    origin = malloc(size);
    if (origin != NULL)
      snprintf(origin, size, "%s://%s:%s", scheme, host, port);
    else
      error = ENOMEM;
    for (c = origin; c != NULL && *c != '\0'; c++)
      if (*c >= 'A' && *c <= 'Z')
        *c = (char)(*c - 'A' + 'a');
  }
  release(scheme, host, port);
  if (origin == NULL)
    errno = error;
  return origin;
}

/* libcurl decodes a host ("%33", also "%7f") and does not check the result, so
** that one host could have two origins: such a URL has none. */
static char *settled_origin (const char *url) {
  char *origin = parse_origin(url), *again;
  bool settled;
  if (origin == NULL || strchr(url, '%') == NULL)
    return origin;
  again = parse_origin(origin);
  settled = again != NULL && strcmp(again, origin) == 0;
  free(origin);
  if (again == NULL || settled)
    return again;
  free(again);
  errno = EINVAL;
  return NULL;
}

char *url_origin (const char *url) {
  size_t authority = authority_of(url);
  char *origin;
  if (is_latest(url, authority) && url_is_clean(url)) {
    origin = strdup(latest.origin);
    if (origin == NULL)
      errno = ENOMEM;
    return origin;
  }
  origin = settled_origin(url);
  if (origin != NULL && authority != 0 &&
      strlen(origin) < sizeof latest.origin) {
    memcpy(latest.authority, url, authority);
    memset(latest.authority + authority, 0,
           sizeof latest.authority - authority);
    strcpy(latest.origin, origin);
  }
  return origin;
}

const char *url_problem (const char *url) {
  char *origin;
  if (!url_is_clean(url)) {
    errno = EINVAL;
    return "it contains a control character";
  }
  if (is_latest(url, authority_of(url)))
    return NULL;
  origin = url_origin(url);
  free(origin);
  if (origin != NULL)
    return NULL;
  return errno == ENOMEM ? "out of memory"
                         : "it is not an absolute http or https URL";
}
