/* Settings of a session, and how they reach a handle. */

#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "url.h"

static int copy (char **to, const char *from) {
  *to = from != NULL ? strdup(from) : NULL;
  return from != NULL && *to == NULL ? -1 : 0;
}

static int add_header (Settings *s, const char *line) {
  struct curl_slist *longer = curl_slist_append(s->headers, line);
  if (longer == NULL)
    return -1;
  s->headers = longer;
  return 0;
}

/* A proxy of the environment is for other machines: under these names it would
** reach itself.  libcurl 7.88 compares IPv6 as it is written. */
#define LOOPBACK                                                               \
  "localhost,ip6-localhost,ip6-loopback,127.0.0.1,127.0.0.0/8,::1,"            \
  "::ffff:127.0.0.1,::ffff:7f00:1,"

/* The host of 'origin' if it is an IPv4-mapped address of 127.0.0.0/8, as
** libcurl writes it: "::ffff:127.0.0.5]:80"; else "". */
static const char *mapped_loopback (const char *origin) {
  const char *host = strstr(origin, "://["), *rest;
  if (host == NULL)
    return "";
  host += strlen("://[");
  rest = host + strspn(host, "0:");
  if (strncmp(rest, "ffff:127.", 9) == 0)
    return host;
  if (strncmp(rest, "ffff:7f", 7) != 0 || strcspn(rest + 7, ":]") != 2)
    return "";
  rest += strlen("ffff:7f00:");
  return rest[strspn(rest, "0123456789abcdef")] == ']' ? host : "";
}

static char *no_proxy_of (const char *origin) {
  const char *given = getenv("no_proxy"), *mapped = mapped_loopback(origin);
  char *text;
  size_t size;
  if (given == NULL)
    given = getenv("NO_PROXY");
  if (given == NULL)
    given = "";
  if (strcmp(given, "*") == 0)
    return strdup(given);
  size = strlen(given) + strlen(mapped) + sizeof "," LOOPBACK;
  text = malloc(size);
  if (text != NULL)
    snprintf(text, size, "%s," LOOPBACK "%.*s", given,
             (int)strcspn(mapped, "]"), mapped);
  return text;
}

static int copy_all (Settings *s, const SessionOptions *o) {
  const char *const *line;
  if (copy(&s->base_url, o->base_url) != 0 ||
      copy(&s->user_agent, o->user_agent) != 0 ||
      copy(&s->proxy, o->proxy) != 0 ||
      (o->proxy == NULL && (s->no_proxy = no_proxy_of(s->origin)) == NULL) ||
      copy(&s->ca_file, o->ca_file) != 0)
    return -1;
  if (o->authorization != NULL && add_header(s, o->authorization) != 0)
    return -1;
  for (line = o->headers; line != NULL && *line != NULL; line++)
    if (add_header(s, *line) != 0)
      return -1;
  s->connect_timeout_ms = o->connect_timeout_ms;
  s->timeout_ms = o->timeout_ms;
  s->stall_timeout_s = o->stall_timeout_s;
  s->reply_timeout_ms = o->reply_timeout_ms;
  s->accept_invalid_certificates = o->accept_invalid_certificates;
  return 0;
}

int settings_copy (Settings *s, const SessionOptions *o) {
  s->origin = url_origin(o->base_url);
  if (s->origin == NULL)
    return -1;
  errno = ENOMEM;
  return copy_all(s, o);
}

void settings_free (Settings *s) {
  curl_slist_free_all(s->headers);
  free(s->origin);
  free(s->base_url);
  free(s->user_agent);
  free(s->proxy);
  free(s->no_proxy);
  free(s->ca_file);
}

/* Nearly every request goes below base_url, which was parsed once. */
const char *settings_origin_of (const Settings *s, const char *url) {
  size_t n = strlen(s->base_url);
  if (strncmp(url, s->base_url, n) != 0 || url[n] != '/')
    return NULL;
  return url_is_clean(url) ? s->origin : NULL;
}

static int restrict_protocols (CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
  CURLcode code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  if (code != CURLE_OK && code != CURLE_OUT_OF_MEMORY) /* there is no TLS */
    code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
  return code == CURLE_OK ? 0 : -1;
#else
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
  return 0;
#endif
}

/* libcurl keeps a copy.  If there is no memory for it, the request must not be
** sent: it would bypass the proxy, or trust other authorities. */
static int set_text (CURL *easy, CURLoption option, const char *text) {
  if (text == NULL)
    return 0;
  return curl_easy_setopt(easy, option, text) == CURLE_OUT_OF_MEMORY ? -1 : 0;
}

/* A named authority replaces the system's, including its folder. */
static int trust_only (CURL *easy, const char *ca_file) {
  if (set_text(easy, CURLOPT_CAINFO, ca_file) != 0)
    return -1;
  curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
#if LIBCURL_VERSION_NUM >= 0x073400
  if (set_text(easy, CURLOPT_PROXY_CAINFO, ca_file) != 0)
    return -1;
  curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
#endif
  return 0;
}

/* A name server that does not answer must not hold up a deadline: the thread
** that asks it is left to itself. */
static void leave_resolver (CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075700
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#else
  (void)easy;
#endif
}

int settings_apply (const Settings *s, CURL *easy) {
  leave_resolver(easy);
  if (restrict_protocols(easy) != 0 ||
      set_text(easy, CURLOPT_USERAGENT, s->user_agent) != 0 ||
      set_text(easy, CURLOPT_PROXY, s->proxy) != 0 ||
      set_text(easy, CURLOPT_NOPROXY, s->no_proxy) != 0 ||
      (s->ca_file != NULL && trust_only(easy, s->ca_file) != 0))
    return -1;
  /* "/a/../b" may have been signed as it is written */
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   (long)s->connect_timeout_ms);
  if (s->accept_invalid_certificates) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  return 0;
}

static int append_copies (struct curl_slist **list,
                          const struct curl_slist *more) {
  for (; more != NULL; more = more->next) {
    struct curl_slist *longer = curl_slist_append(*list, more->data);
    if (longer == NULL)
      return -1;
    *list = longer;
  }
  return 0;
}

int settings_set_headers (const Settings *s, Exchange *x,
                          struct curl_slist *own, bool api) {
  if (api && own == NULL) {
    x->headers = s->headers;
    x->shared_headers = true;
  } else if (append_copies(&x->headers, own) != 0 ||
             (api && append_copies(&x->headers, s->headers) != 0)) {
    return -1;
  }
  curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
  return 0;
}
