/* A list of names and values, packed into one block: the headers and form
** fields of a logged request. */

#ifndef CAMB_SANDBOX_PAIRS_H
#define CAMB_SANDBOX_PAIRS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Pairs {
  char *bytes; /* NULL when empty */
  size_t used, size;
} Pairs;

typedef struct Pair {
  const char *name, *value; /* NUL-terminated; point into the list */
  size_t name_length, length;
} Pair;

/* Append a copy of both.  False, with the list as it was, on out of memory. */
bool pairs_add (Pairs *p, const char *name, size_t name_length,
                const char *value, size_t length);

/* The pair at '*at' (0 at first), moving '*at' on.  False at the end. */
bool pairs_next (const Pairs *p, size_t *at, Pair *out);

/* Free what the list holds; it is then empty. */
void pairs_clear (Pairs *p);

#endif
