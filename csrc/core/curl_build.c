/* Which libcurl this is, for people. */

#include "curl_build.h"

#include <curl/curl.h>

static const struct {
  int bit;
  const char *name;
} features[] = {
  {CURL_VERSION_SSL, "TLS"},
  {CURL_VERSION_HTTP2, "HTTP/2"},
  {CURL_VERSION_ASYNCHDNS, "AsynchDNS"},
  {CURL_VERSION_IPV6, "IPv6"},
  {CURL_VERSION_IDN, "IDN"},
  {CURL_VERSION_LIBZ, "gzip"},
  {CURL_VERSION_BROTLI, "brotli"},
  {CURL_VERSION_HTTPS_PROXY, "HTTPS-proxy"},
};

const char *curl_build_version (void) {
  return curl_version();
}

const char *curl_build_feature (size_t index) {
  int has = curl_version_info(CURLVERSION_NOW)->features;
  for (size_t i = 0; i < sizeof features / sizeof *features; i++)
    if ((has & features[i].bit) != 0 && index-- == 0)
      return features[i].name;
  return NULL;
}
