/* JSON replies and validation errors. */

#include "sandbox/http/reply.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/http/request_target.h"

enum MHD_Result reply_send (Request *r, unsigned status,
                            struct MHD_Response *response) {
  enum MHD_Result result;
  if (response == NULL)
    return MHD_NO;
  if (request_replaced(r, status, &result)) {
    MHD_destroy_response(response);
    return result;
  }
  if (r->operation->decorate != NULL)
    r->operation->decorate(r, response);
  r->record->status = (int)status;
  log_add(r->server->log, r->record);
  r->record = NULL;
  result = MHD_queue_response(r->connection, status, response);
  MHD_destroy_response(response);
  return result;
}

enum MHD_Result reply_json (Request *r, unsigned status, json_t *value) {
  struct MHD_Response *response = NULL;
  char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
  json_decref(value);
  if (text == NULL)
    return MHD_NO;
  response =
    MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
  if (response == NULL) {
    free(text);
    return MHD_NO;
  }
  MHD_add_response_header(response, "Content-Type", "application/json");
  if (status == MHD_HTTP_METHOD_NOT_ALLOWED && r->allow != NULL)
    MHD_add_response_header(response, "Allow", r->allow);
  return reply_send(r, status, response);
}

enum MHD_Result reply_detail (Request *r, unsigned status, const char *text) {
  return reply_json(r, status, json_pack("{s:s}", "detail", text));
}

enum MHD_Result reply_no_key (Request *r) {
  return reply_json(r, MHD_HTTP_UNAUTHORIZED,
                    json_pack("{s:s, s:i}", "error", "Invalid API key",
                              "status", MHD_HTTP_UNAUTHORIZED));
}

json_t *reply_problems (void) {
  return json_array();
}

void reply_problem (json_t *problems, const char *where, const char *field,
                    const char *message, const char *type) {
  json_t *place = json_pack(field == NULL ? "[s]" : "[ss]", where, field);
  json_array_append_new(problems, json_pack("{s:o, s:s, s:s}", "loc", place,
                                            "msg", message, "type", type));
}

void reply_problem_missing (json_t *problems, const char *where,
                            const char *field) {
  reply_problem(problems, where, field, "field required",
                "value_error.missing");
}

void reply_problem_integer (json_t *problems, const char *where,
                            const char *field) {
  reply_problem(problems, where, field, "value is not a valid integer",
                "type_error.integer");
}

void reply_check_query (const Request *r, json_t *problems) {
  int64_t run;
  char *value = request_target_query(r->record->query, "run_id");
  if (value != NULL && !request_target_integer(value, &run))
    reply_problem_integer(problems, "query", "run_id");
  free(value);
}

enum MHD_Result reply_invalid (Request *r, json_t *problems) {
  return reply_json(r, MHD_HTTP_UNPROCESSABLE_CONTENT,
                    json_pack("{s:o}", "detail", problems));
}
