/* Replies, in the shapes that FastAPI gives them.  Every reply of the server
** goes out through here, which is also where a request enters the log. */

#ifndef CAMB_SANDBOX_HTTP_REPLY_H
#define CAMB_SANDBOX_HTTP_REPLY_H

#include <jansson.h>

#include "sandbox/http/request.h"

/* Send 'response', which is destroyed; NULL (out of memory) cuts the
** connection. */
enum MHD_Result reply_send (Request *r, unsigned status,
                            struct MHD_Response *response);

/* Send a JSON value, which is given up. */
enum MHD_Result reply_json (Request *r, unsigned status, json_t *value);

/* {"detail": text} */
enum MHD_Result reply_detail (Request *r, unsigned status, const char *text);

/* The 401 of a missing or wrong key. */
enum MHD_Result reply_no_key (Request *r);

/* A list of what is wrong with a request, to be filled by reply_problem. */
json_t *reply_problems (void);

/* Add {"loc": [where, field], "msg": message, "type": type}; without 'field'
** the place is [where] alone. */
void reply_problem (json_t *problems, const char *where, const char *field,
                    const char *message, const char *type);

/* The two problems that most fields share. */
void reply_problem_missing (json_t *problems, const char *where,
                            const char *field);
void reply_problem_integer (json_t *problems, const char *where,
                            const char *field);

/* Look at the query's run_id, which is for tracing only: an integer if it is
** there at all. */
void reply_check_query (const Request *r, json_t *problems);

/* 422 with what is in 'problems', which is given up. */
enum MHD_Result reply_invalid (Request *r, json_t *problems);

#endif
