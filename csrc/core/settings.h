/* What all exchanges of a session have in common: its options, copied, and the
** origin that its key belongs to. */

#ifndef CAMB_SETTINGS_H
#define CAMB_SETTINGS_H

#include <stdbool.h>

#include "exchange.h"
#include "session.h"

typedef struct Settings {
  char *origin;               /* of base_url: "scheme://host:port" */
  struct curl_slist *headers; /* the key and the client's own, for 'origin' */
  char *base_url, *user_agent, *proxy, *no_proxy, *ca_file;
  int connect_timeout_ms, timeout_ms, stall_timeout_s, reply_timeout_ms;
  bool accept_invalid_certificates;
} Settings;

/* Copy the options.  -1 with errno set: EINVAL when base_url has no origin,
** ENOMEM; settings_free is due in both cases. */
int settings_copy (Settings *s, const SessionOptions *o);

/* Free everything. */
void settings_free (Settings *s);

/* The origin when 'url' is a sound URL below base_url, else NULL. */
const char *settings_origin_of (const Settings *s, const char *url);

/* Set up a handle: protocols, TLS, proxy, names, the time to connect.  -1 when
** there is no memory. */
int settings_apply (const Settings *s, CURL *easy);

/* Give 'x' the headers 'own' and, only when it goes to 'origin' ('api'), the
** session's with the key.  -1 when there is no memory. */
int settings_set_headers (const Settings *s, Exchange *x,
                          struct curl_slist *own, bool api);

#endif
