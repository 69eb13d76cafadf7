/* What the core asks of a URL before it goes anywhere; parsing is libcurl's. */

#ifndef CAMB_URL_H
#define CAMB_URL_H

#include <stdbool.h>

/* True when 'url' holds no control character. */
bool url_is_clean (const char *url);

/* Why 'url' may not be requested, as a phrase ("it is not an absolute http or
** https URL"), or NULL when it may.  Static text; errno is EINVAL, or ENOMEM if
** it could not even be read. */
const char *url_problem (const char *url);

/* 'url' as it is requested: its scheme in lower case, and with characters
** escaped that may not appear in a path or a query, such as a space.  The
** caller frees it; NULL with errno when there is no memory. */
char *url_canonical (const char *url);

/* "scheme://host:port" with the default port written out (RFC 6454): equal
** strings are equal origins.  NULL with errno when 'url' has none (EINVAL)
** or memory is out (ENOMEM).  The caller frees it. */
char *url_origin (const char *url);

#endif
