/* One request under way, from its first line to its reply.  It is owned by
** the listener's thread. */

#ifndef CAMB_SANDBOX_HTTP_REQUEST_H
#define CAMB_SANDBOX_HTTP_REQUEST_H

#include <stdbool.h>

#include <microhttpd.h>

#include "sandbox/http/server.h"

typedef struct Request {
  Server *server;
  Listener *listener;
  struct MHD_Connection *connection;
  const Operation *operation; /* NULL until the headers are in */
  bool begun;                 /* the operation's begin was called */
  const char *allow;          /* of a 405: the methods the path has */
  char *argument;             /* the path's last part, decoded; may be NULL */
  bool no_memory;             /* for that, or for the headers' record */
  Record *record;             /* NULL once it is in the log */
  void *state;                /* the operation's own */
  Fault *fault;               /* taken for it; NULL: none, or given back */
  bool struck;                /* the fault has the connection now */
} Request;

/* The callbacks that a listener hands to its daemon; 'context' is the
** Listener. */
void *request_on_line (void *context, const char *line,
                       struct MHD_Connection *connection);
enum MHD_Result request_on_call (void *context,
                                 struct MHD_Connection *connection,
                                 const char *url, const char *method,
                                 const char *version, const char *bytes,
                                 size_t *n, void **state);
void request_on_end (void *context, struct MHD_Connection *connection,
                     void **state, enum MHD_RequestTerminationCode how);

/* Whether a fault takes the place of a reply of that status; ask before sending
** it.  If so, the connection is the fault's, and '*result' is what the handler
** returns.  A fault that this reply makes pointless waits for another. */
bool request_replaced (Request *r, unsigned status, enum MHD_Result *result);

/* The value of a header; NULL when it did not come.  Lives as long as 'r'. */
const char *request_header (const Request *r, const char *name);

#endif
