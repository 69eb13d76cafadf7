/* Checks on URLs, by libcurl's parser. */

#include "url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

static int is_http (const char *scheme) {
  return strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;
}

/* Scheme, host and port; the caller frees what is there, also on failure. */
static int split (const char *url, char **scheme, char **host, char **port) {
  CURLU *parsed = curl_url();
  int ok = parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == 0 &&
           curl_url_get(parsed, CURLUPART_SCHEME, scheme, 0) == 0 &&
           curl_url_get(parsed, CURLUPART_HOST, host, 0) == 0 &&
           curl_url_get(parsed, CURLUPART_PORT, port, CURLU_DEFAULT_PORT) == 0;
  curl_url_cleanup(parsed);
  return ok && is_http(*scheme) && (*host)[0] != '\0' ? 0 : -1;
}

static void release (char *scheme, char *host, char *port) {
  curl_free(scheme);
  curl_free(host);
  curl_free(port);
}

const char *url_problem (const char *url) {
  char *scheme = NULL, *host = NULL, *port = NULL;
  const unsigned char *c;
  int status;
  for (c = (const unsigned char *)url; *c != '\0'; c++)
    if (*c <= ' ' || *c == 0x7F)
      return "it holds a space or a control character";
  status = split(url, &scheme, &host, &port);
  release(scheme, host, port);
  return status == 0 ? NULL : "it is not an absolute http or https URL";
}

char *url_origin (const char *url) {
  char *scheme = NULL, *host = NULL, *port = NULL, *origin = NULL, *c;
  if (split(url, &scheme, &host, &port) == 0) {
    size_t size = strlen(scheme) + strlen(host) + strlen(port) + 5;
    origin = malloc(size);
    if (origin != NULL)
      snprintf(origin, size, "%s://%s:%s", scheme, host, port);
    for (c = origin; c != NULL && *c != '\0'; c++)
      if (*c >= 'A' && *c <= 'Z')
        *c = (char)(*c - 'A' + 'a');
  }
  release(scheme, host, port);
  return origin;
}
