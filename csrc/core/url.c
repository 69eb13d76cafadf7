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
  while (*c > ' ' && *c != 0x7F)
    c++;
  return *c == '\0';
}

const char *url_problem (const char *url) {
  char *scheme = NULL, *host = NULL, *port = NULL;
  int error;
  if (!url_is_clean(url)) {
    errno = EINVAL;
    return "it holds a space or a control character";
  }
  error = split(url, &scheme, &host, &port);
  release(scheme, host, port);
  if (error == 0)
    return NULL;
  errno = error;
  return error == ENOMEM ? "there is no memory left to read it"
                         : "it is not an absolute http or https URL";
}

char *url_origin (const char *url) {
  char *scheme = NULL, *host = NULL, *port = NULL, *origin = NULL, *c;
  int error = split(url, &scheme, &host, &port);
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
