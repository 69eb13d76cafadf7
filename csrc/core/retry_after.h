/* How long a server asks to wait (Retry-After, RFC 9110 10.2.3), in the forms
** that servers write. */

#ifndef CAMB_RETRY_AFTER_H
#define CAMB_RETRY_AFTER_H

#define RETRY_AFTER_LONGEST 10000000L /* seconds */

/* Seconds to wait, at most RETRY_AFTER_LONGEST; 0: that time has passed, or
** nobody can read 'value'.  It is seconds, or a time: in one of HTTP's three
** forms, as in ISO 8601, or in seconds since 1970.  What a time is compared with
** is 'date', the server's own, as our clock may be wrong; where that is none it
** is our clock. */
long retry_after_read (const char *value, const char *date);

#endif
