/* Request targets: paths, queries, percent-encoding, integers in text. */

#ifndef CAMB_SANDBOX_HTTP_REQUEST_TARGET_H
#define CAMB_SANDBOX_HTTP_REQUEST_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Split "/path?query", or the same after "http://host", into fresh strings;
** '*query' is NULL if there is no '?'.  False on out of memory. */
bool request_target_split (const char *target, char **path, char **query);

/* 'n' bytes percent-decoded into a fresh string; a '%' without two digits
** stands for itself.  NULL on out of memory, or when it decodes to a NUL. */
char *request_target_decode (const char *text, size_t n);

/* The value of the first 'name' in a query (may be NULL), decoded into a
** fresh string, '+' being a space.  NULL when there is none. */
char *request_target_query (const char *query, const char *name);

/* A whole string as a decimal integer.  False when it is none. */
bool request_target_integer (const char *text, int64_t *out);

#endif
