/* The operations of the server.  A request is handed to its operation in the
** order begin, data…, finish or settle; drop comes last in every case. */

#ifndef CAMB_SANDBOX_HTTP_OPERATION_H
#define CAMB_SANDBOX_HTTP_OPERATION_H

#include <stdbool.h>
#include <stddef.h>

#include <microhttpd.h>

struct Request;

#define MOST_OPERATIONS 16 /* bounds what is counted by operation */

typedef struct Operation {
  const char *name; /* as in stats and in the steps of faults */

  /* The headers are in.  May reply, then nothing but drop follows and the
  ** body is not read.  NULL: nothing to do. */
  enum MHD_Result (*begin)(struct Request *r);

  /* 'n' more bytes of the body.  MHD_NO cuts the connection.  NULL: the body
  ** is of no interest. */
  enum MHD_Result (*data)(struct Request *r, const char *bytes, size_t n);

  /* The request is whole: reply. */
  enum MHD_Result (*finish)(struct Request *r);

  /* A fault takes the place of the rest: complete or empty what the record
  ** says of the body.  'whole': all of it came.  NULL: nothing to do. */
  void (*settle)(struct Request *r, bool whole);

  /* Add the headers that all its replies have.  NULL: none. */
  void (*decorate)(const struct Request *r, struct MHD_Response *response);

  /* Free 'r->state'; the request may have ended anywhere.  NULL: none. */
  void (*drop)(struct Request *r);
} Operation;

/* All of them, NULL past the last one; they stand in tasks/operations.c. */
extern const Operation *const operations[MOST_OPERATIONS + 1];

extern const Operation submit_operation, results_operation, stem_operation,
  page_operation, unknown_operation;

/* The one called 'name'; NULL when there is none. */
const Operation *operation_named (const char *name);

/* Its place in 'operations'. */
int operation_index (const Operation *o);

#endif
