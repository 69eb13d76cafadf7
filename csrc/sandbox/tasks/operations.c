/* The list of operations, and those of them that need no file of their own:
** GET /audio-separation/{task_id} and GET /audio-separation-result/{run_id}. */

#include "sandbox/tasks/result.h"

#include "sandbox/http/reply.h"
#include "sandbox/http/route.h"
#include "sandbox/http/request_target.h"

static enum MHD_Result check_key (Request *r) {
  return route_has_key(r) ? MHD_YES : reply_no_key(r);
}

static json_t *string_or_null (const char *value) {
  json_t *string = value == NULL ? NULL : json_string(value);
  return string != NULL ? string : json_null();
}

static json_t *describe (const Task *t) {
  if (!atomic_load(&t->ended))
    return json_pack("{s:s, s:n, s:n, s:n}", "status", "PENDING", "run_id",
                     "exception_reason", "message");
  return json_pack("{s:s, s:o, s:o, s:o}", "status", t->status, "run_id",
                   t->run_id > 0 ? json_integer(t->run_id) : json_null(),
                   "exception_reason", string_or_null(t->reason), "message",
                   string_or_null(t->message));
}

static enum MHD_Result tell_status (Request *r) {
  json_t *problems = reply_problems();
  const Task *t;
  reply_check_query(r, problems);
  if (json_array_size(problems) > 0)
    return reply_invalid(r, problems);
  json_decref(problems);
  t = r->argument == NULL ? NULL : store_task(r->server->store, r->argument);
  if (t == NULL)
    return reply_detail(r, MHD_HTTP_NOT_FOUND, "Task not found");
  return reply_json(r, MHD_HTTP_OK, describe(t));
}

static enum MHD_Result tell_result (Request *r) {
  json_t *urls, *problems = reply_problems();
  int64_t run = 0;
  if (r->argument == NULL || !request_target_integer(r->argument, &run))
    reply_problem_integer(problems, "path", "run_id");
  if (json_array_size(problems) > 0)
    return reply_invalid(r, problems);
  json_decref(problems);
  if (!result_is_known(r->server, run))
    return reply_detail(r, MHD_HTTP_NOT_FOUND, "Run not found");
  urls = result_urls(r->server, run);
  return reply_json(r, MHD_HTTP_OK, urls);
}

static const Operation status_operation = {
  .name = "status",
  .begin = check_key,
  .finish = tell_status,
};

static const Operation result_operation = {
  .name = "result",
  .begin = check_key,
  .finish = tell_result,
};

const Operation *const operations[MOST_OPERATIONS + 1] = {
  &submit_operation, &status_operation, &result_operation,  &results_operation,
  &stem_operation,   &page_operation,   &unknown_operation,
};
