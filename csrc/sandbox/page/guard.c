/* Addresses, Host, Origin and Sec-Fetch-Site. */

#include "sandbox/page/guard.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static bool is_loopback_4 (const unsigned char *address) {
  return address[0] == 127;
}

static bool is_local_peer (const Request *r) {
  const struct sockaddr *a =
    MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
      ->client_addr;
  if (a->sa_family == AF_INET)
    return is_loopback_4(
      (const unsigned char *)&((const struct sockaddr_in *)a)->sin_addr);
  if (a->sa_family != AF_INET6)
    return false;
  const struct in6_addr *six = &((const struct sockaddr_in6 *)a)->sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(six) ||
         (IN6_IS_ADDR_V4MAPPED(six) && is_loopback_4(six->s6_addr + 12));
}

static bool is_name (const char *host, size_t n, const char *name) {
  return strlen(name) == n && strncasecmp(host, name, n) == 0;
}

/* "127.1.2.3" without a check of its parts: no name ends in a digit. */
static bool is_loopback_address (const char *host, size_t n) {
  return n > 4 && strncmp(host, "127.", 4) == 0 &&
         strspn(host, "0123456789.") == n;
}

/* The port may be another one, as behind `ssh -L`. */
static bool is_local_host (const char *host) {
  size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
  if (n > strlen(host) ||
      (host[n] != '\0' &&
       (host[n] != ':' ||
        strspn(host + n + 1, "0123456789") != strlen(host + n + 1))))
    return false;
  return is_name(host, n, "localhost") || is_name(host, n, "[::1]") ||
         is_loopback_address(host, n);
}

/* "http://" and the very Host of the request. */
static bool is_own_origin (const char *origin, const char *host) {
  const char *name = strstr(origin, "://");
  return name != NULL && strncmp(origin, "http", 4) == 0 &&
         strcasecmp(name + 3, host) == 0;
}

/* A link on another site may lead to the page, and to nothing else here. */
static bool is_from_elsewhere (const Request *r) {
  const char *site = request_header(r, "Sec-Fetch-Site");
  const char *mode = request_header(r, "Sec-Fetch-Mode");
  bool is_link = mode != NULL && strcmp(mode, "navigate") == 0 &&
                 strcmp(r->record->path, "/") == 0;
  return site != NULL && strcmp(site, "same-origin") != 0 &&
         strcmp(site, "none") != 0 && !is_link;
}

static bool is_change (const Request *r) {
  return strcmp(r->record->method, "GET") != 0 &&
         strcmp(r->record->method, "HEAD") != 0;
}

const char *guard_problem (const Request *r) {
  const char *host = request_header(r, "Host");
  const char *origin = request_header(r, "Origin");
  if (!is_local_peer(r) || host == NULL || !is_local_host(host))
    return "This page is for the machine that it runs on: open it there as "
           "127.0.0.1 or localhost, or through ssh -L.";
  if ((origin != NULL && !is_own_origin(origin, host)) ||
      is_from_elsewhere(r) ||
      (is_change(r) && request_header(r, PAGE_HEADER) == NULL))
    return "Another site may not use this page.";
  return NULL;
}
