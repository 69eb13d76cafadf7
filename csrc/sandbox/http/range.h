/* The Range header, as far as the stem listener honours it: one range. */

#ifndef CAMB_SANDBOX_HTTP_RANGE_H
#define CAMB_SANDBOX_HTTP_RANGE_H

#include <stdint.h>

typedef enum RangeKind {
  RANGE_WHOLE, /* none, several, or not understood: send everything */
  RANGE_PART,
  RANGE_BEYOND /* not one byte of it exists */
} RangeKind;

/* Read 'header' (may be NULL) for a file of 'size' bytes; with RANGE_PART
** '*first' and '*length' lie within the file. */
RangeKind range_parse (const char *header, uint64_t size, uint64_t *first,
                       uint64_t *length);

#endif
