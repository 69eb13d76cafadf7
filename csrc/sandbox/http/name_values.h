/* A list of names and values, packed into one block: the headers and form
** fields of a logged request. */

#ifndef CAMB_SANDBOX_HTTP_NAME_VALUES_H
#define CAMB_SANDBOX_HTTP_NAME_VALUES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct NameValues {
  char *bytes; /* NULL when empty */
  size_t used, size;
} NameValues;

typedef struct NameValue {
  const char *name, *value; /* NUL-terminated; point into the list */
  size_t name_length, length;
} NameValue;

/* Append a copy of both.  False, with the list as it was, on out of memory. */
bool name_values_add (NameValues *p, const char *name, size_t name_length,
                      const char *value, size_t length);

/* The pair at '*at' (0 at first), moving '*at' on.  False at the end. */
bool name_values_next (const NameValues *p, size_t *at, NameValue *out);

/* Free what the list holds; it is then empty. */
void name_values_clear (NameValues *p);

#endif
