/* Who may use the page: a browser of this machine, on behalf of the page
** itself.  Other sites that the browser visits may not, neither by a name that
** leads here (DNS rebinding) nor by a request of their own (CSRF). */

#ifndef CAMB_SANDBOX_PAGE_GUARD_H
#define CAMB_SANDBOX_PAGE_GUARD_H

#include "sandbox/http/request.h"

/* The header that a request which changes something has to have: no form of
** another site can send it. */
#define PAGE_HEADER "X-Camb-Page"

/* Why the request is refused, a static sentence; NULL: it is not. */
const char *guard_problem (const Request *r);

#endif
