/* POST /audio-separation-results: the stems' URLs of many runs at once. */

#include "sandbox/tasks/result.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/http/reply.h"
#include "sandbox/http/route.h"
#include "sandbox/tasks/stem.h"
#include "sandbox/http/request_target.h"

#define BODY_MAX (8 * 1024 * 1024)

typedef struct Body {
  char *bytes;
  size_t used, size;
} Body;

bool result_is_known (Server *s, int64_t run_id) {
  const Task *t = store_run(s->store, run_id);
  return t != NULL && atomic_load(&t->ended);
}

json_t *result_urls (Server *s, int64_t run_id) {
  const Task *t = store_run(s->store, run_id);
  char *foreground, *background;
  json_t *urls = NULL;
  foreground = stem_url(s, t, FOREGROUND);
  background = stem_url(s, t, BACKGROUND);
  if (foreground != NULL && background != NULL)
    urls = json_pack("{s:s, s:s}", "foreground_audio_url", foreground,
                     "background_audio_url", background);
  free(foreground);
  free(background);
  return urls;
}

static enum MHD_Result start (Request *r) {
  if (!route_has_key(r))
    return reply_no_key(r);
  r->state = calloc(1, sizeof(Body));
  return r->state == NULL ? MHD_NO : MHD_YES;
}

/* Beyond the ceiling bytes are counted but not kept, and then not read. */
static enum MHD_Result gather (Request *r, const char *bytes, size_t n) {
  Body *b = r->state;
  if (b->used + n > BODY_MAX) {
    b->used = BODY_MAX + 1;
    return r->record->body_bytes <= 2 * BODY_MAX ? MHD_YES : MHD_NO;
  }
  if (b->used + n > b->size) {
    size_t size = 2 * (b->used + n);
    char *grown = realloc(b->bytes, size);
    if (grown == NULL)
      return MHD_NO;
    b->bytes = grown;
    b->size = size;
  }
  memcpy(b->bytes + b->used, bytes, n);
  b->used += n;
  return MHD_YES;
}

static void drop (Request *r) {
  Body *b = r->state;
  if (b != NULL)
    free(b->bytes);
  free(b);
}

static bool is_json (const Request *r) {
  const char *type = request_header(r, "Content-Type");
  return type != NULL && strncasecmp(type, "application/json", 16) == 0 &&
         strchr("; ", type[16]) != NULL;
}

static void problem_decode (json_t *problems, const json_error_t *e) {
  char message[JSON_ERROR_TEXT_LENGTH + 64];
  snprintf(message, sizeof message, "%s: line %d column %d (char %d)", e->text,
           e->line, e->column, e->position);
  json_array_append_new(problems, json_pack("{s:[s,i], s:s, s:s}", "loc",
                                            "body", e->position, "msg", message,
                                            "type", "value_error.jsondecode"));
}

static json_t *parse (const Request *r, json_t *problems) {
  const Body *b = r->state;
  json_error_t error;
  json_t *value = NULL;
  if (b->used == 0)
    reply_problem_missing(problems, "body", NULL);
  else if (!is_json(r))
    reply_problem(problems, "body", NULL, "value is not a valid dict",
                  "type_error.dict");
  else {
    errno = 0;
    value = json_loadb(b->bytes, b->used, JSON_DECODE_ANY, &error);
    if (value == NULL && errno != ENOMEM)
      problem_decode(problems, &error);
  }
  return value;
}

/* As pydantic reads an int: a number without a fraction, or its digits. */
static bool to_run (const json_t *value, int64_t *run) {
  double real = json_real_value(value);
  if (json_is_integer(value)) {
    *run = json_integer_value(value);
    return true;
  }
  if (json_is_string(value))
    return request_target_integer(json_string_value(value), run);
  if (!json_is_real(value) || real < -9e15 || real > 9e15 ||
      real != (double)(int64_t)real)
    return false;
  *run = (int64_t)real;
  return true;
}

static void problem_item (json_t *problems, size_t index) {
  json_array_append_new(
    problems, json_pack("{s:[s,s,i], s:s, s:s}", "loc", "body", "run_ids",
                        (int)index, "msg", "value is not a valid integer",
                        "type", "type_error.integer"));
}

/* Runs that do not exist are simply absent from the map. */
static json_t *collect (Server *s, json_t *list, json_t *problems) {
  json_t *item, *urls, *map = json_object();
  size_t index;
  json_array_foreach(list, index, item) {
    char key[24];
    int64_t run;
    if (!to_run(item, &run)) {
      problem_item(problems, index);
      continue;
    }
    if (!result_is_known(s, run))
      continue;
    urls = result_urls(s, run);
    snprintf(key, sizeof key, "%" PRId64, run);
    if (json_object_set_new(map, key, urls) != 0) {
      json_decref(map);
      return NULL; /* no memory: better no reply than one that lacks a run */
    }
  }
  return map;
}

static json_t *answer (Request *r, const json_t *body, json_t *problems) {
  json_t *list = json_object_get(body, "run_ids");
  if (body == NULL)
    return NULL;
  if (!json_is_object(body))
    reply_problem(problems, "body", NULL, "value is not a valid dict",
                  "type_error.dict");
  else if (list == NULL)
    reply_problem_missing(problems, "body", "run_ids");
  else if (!json_is_array(list))
    reply_problem(problems, "body", "run_ids", "value is not a valid list",
                  "type_error.list");
  else
    return collect(r->server, list, problems);
  return NULL;
}

static enum MHD_Result tell_results (Request *r) {
  const Body *b = r->state;
  json_t *body, *map, *problems;
  if (b->used > BODY_MAX)
    return reply_detail(r, MHD_HTTP_CONTENT_TOO_LARGE,
                        "The request body is too large");
  problems = reply_problems();
  reply_check_query(r, problems);
  body = parse(r, problems);
  map = answer(r, body, problems);
  json_decref(body);
  if (json_array_size(problems) > 0) {
    json_decref(map);
    return reply_invalid(r, problems);
  }
  json_decref(problems);
  return reply_json(r, MHD_HTTP_OK, map);
}

const Operation results_operation = {
  .name = "results",
  .begin = start,
  .data = gather,
  .finish = tell_results,
  .drop = drop,
};
