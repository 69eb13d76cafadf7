/* What can be asked of the server.  A request is handed to its operation in
** the order begin, data…, finish or settle; drop comes last in every case. */

#ifndef CAMB_SANDBOX_HTTP_OPERATION_H
#define CAMB_SANDBOX_HTTP_OPERATION_H

#include <stdbool.h>
#include <stddef.h>

#include <microhttpd.h>

struct Request;

typedef enum OperationId {
  SUBMIT,
  STATUS,
  RESULT,
  RESULTS,
  STEM_FILE,
  UNKNOWN, /* no such path or method */
  OPERATIONS
} OperationId;

typedef struct Operation {
  OperationId id;
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

  /* Free 'r->state'; the request may have ended anywhere.  NULL: none. */
  void (*drop)(struct Request *r);
} Operation;

/* All of them, by id. */
extern const Operation *const operations[OPERATIONS];

extern const Operation submit_operation, status_operation, result_operation,
  results_operation, stem_operation, unknown_operation;

#endif
