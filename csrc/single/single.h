/* What the one file holds. */

#ifndef CAMB_SINGLE_H
#define CAMB_SINGLE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Embedded {
  const char *name; /* of the module; NULL behind the last */
  const char *path; /* for tracebacks */
  const unsigned char *bytes;
  size_t size;
} Embedded;

/* Written by spec/ports/embed.lua. */
extern const Embedded embedded[];

/* The address of a function that the host shows to its modules; NULL: it shows
** none of that name. */
void *host_function (const char *name);

#endif
