/* Which libcurl this is, for people. */

#ifndef CAMB_CURL_BUILD_H
#define CAMB_CURL_BUILD_H

#include <stddef.h>

/* "libcurl/7.88.1 OpenSSL/3.0.15 …", as libcurl tells it.  Static. */
const char *curl_build_version (void);

/* The index-th feature, from 0, that camb uses and this libcurl has; NULL past
** the last.  Static. */
const char *curl_build_feature (size_t index);

#endif
