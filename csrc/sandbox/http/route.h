/* Which operation a request asks for. */

#ifndef CAMB_SANDBOX_HTTP_ROUTE_H
#define CAMB_SANDBOX_HTTP_ROUTE_H

#include "sandbox/http/request.h"

/* The operation of r->record's method and path.  Sets 'argument' if the path
** has one, and 'allow' if only the method is wrong. */
const Operation *route_find (Request *r);

/* Whether the request has the server's key. */
bool route_has_key (const Request *r);

#endif
