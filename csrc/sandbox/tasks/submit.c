/* POST /audio-separation: a form with a file becomes a pending task. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "sandbox/http/form.h"
#include "sandbox/http/reply.h"
#include "sandbox/http/route.h"
#include "sandbox/http/request_target.h"

static bool is_too_large (const Request *r) {
  const char *length = request_header(r, "Content-Length");
  int64_t n;
  return length != NULL &&
         (!request_target_integer(length, &n) || n > r->server->max_upload);
}

static enum MHD_Result refuse_size (Request *r) {
  return reply_detail(r, MHD_HTTP_CONTENT_TOO_LARGE, "The upload is too large");
}

static enum MHD_Result start (Request *r) {
  if (!route_has_key(r))
    return reply_no_key(r);
  if (is_too_large(r))
    return refuse_size(r);
  r->state = form_new(r);
  return r->state == NULL ? MHD_NO : MHD_YES;
}

/* A body of unknown length that has become too large is read on for a while,
** as the daemon can reply only between bodies; then it is cut. */
static enum MHD_Result take (Request *r, const char *bytes, size_t n) {
  int64_t sum = (int64_t)r->record->body_bytes;
  if (sum > r->server->max_upload) {
    form_refuse(r->state, FORM_TOO_LARGE);
    return sum / 2 > r->server->max_upload ? MHD_NO : MHD_YES;
  }
  form_data(r->state, bytes, n);
  return MHD_YES;
}

static void settle (Request *r, bool whole) {
  if (r->state == NULL)
    return;
  if (whole)
    form_finish(r->state);
  else
    form_refuse(r->state, FORM_MALFORMED);
}

static void drop (Request *r) {
  form_free(r->state);
}

/* What is wrong in the query and the fields, in the order of the reference. */
static json_t *find_problems (const Request *r) {
  const Form *form = r->state;
  json_t *problems = reply_problems();
  char *folder = form_value(form, "folder_id");
  int64_t number;
  reply_check_query(r, problems);
  if (form_upload(form) == NULL)
    reply_problem_missing(problems, "body", "media_file");
  if (folder != NULL && !request_target_integer(folder, &number))
    reply_problem_integer(problems, "body", "folder_id");
  free(folder);
  return problems;
}

/* 191 random bits; what base64 has beyond letters and digits would only need
** escaping in a path.  A letter comes first, as a shell's programs would take
** "-" for an option. */
static char *make_id (void) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789-_";
  uint8_t random[32];
  char *id = malloc(sizeof random + 1);
  if (id == NULL || !secret_random(random, sizeof random)) {
    free(id);
    return NULL;
  }
  for (size_t i = 0; i < sizeof random; i++)
    id[i] = letters[random[i] & (i == 0 ? 31 : 63)];
  id[sizeof random] = '\0';
  return id;
}

static json_t *fields_of (const Request *r) {
  json_t *fields = json_object();
  size_t at = 0;
  NameValue p;
  while (name_values_next(&r->record->fields, &at, &p))
    if (json_object_set_new(fields, p.name, json_stringn(p.value, p.length)) !=
        0) {
      json_decref(fields);
      return NULL;
    }
  return fields;
}

static double now (void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static Task *make_task (const Request *r, const Upload *u) {
  const RecordFile *file = &r->record->file;
  Task *t = calloc(1, sizeof *t);
  if (t == NULL)
    return NULL;
  t->id = make_id();
  t->status = strdup("PENDING");
  t->folder = strdup(upload_folder(u));
  t->input = strdup(upload_input(u));
  t->file_name = strdup(file->name);
  t->content_type = file->content_type ? strdup(file->content_type) : NULL;
  t->size = file->size;
  memcpy(t->sha256, file->sha256, DIGEST_HEX);
  t->fields = fields_of(r);
  t->created = now();
  if (t->id != NULL && t->status != NULL && t->folder != NULL &&
      t->input != NULL && t->fields != NULL)
    return t;
  task_free(t);
  return NULL;
}

static enum MHD_Result refuse_storage (Request *r) {
  return reply_detail(r, MHD_HTTP_INSUFFICIENT_STORAGE,
                      "The upload could not be stored");
}

static enum MHD_Result accept_upload (Request *r) {
  Form *form = r->state;
  Task *t = make_task(r, form_upload(form));
  json_t *reply;
  if (t == NULL || !store_accept(r->server->store, t)) {
    task_free(t);
    return refuse_storage(r);
  }
  form_keep(form);
  atomic_fetch_add(&r->server->stats.uploads, 1);
  reply = json_pack("{s:s}", "task_id", t->id);
  crew_add(r->server->crew, t);
  return reply_json(r, MHD_HTTP_OK, reply);
}

static enum MHD_Result finish (Request *r) {
  json_t *problems;
  switch (form_finish(r->state)) {
  case FORM_TOO_LARGE:
    return refuse_size(r);
  case FORM_NOT_STORED:
    return refuse_storage(r);
  case FORM_MALFORMED:
    return reply_detail(r, MHD_HTTP_BAD_REQUEST,
                        "There was an error parsing the body");
  default:
    break;
  }
  problems = find_problems(r);
  if (json_array_size(problems) > 0)
    return reply_invalid(r, problems);
  json_decref(problems);
  if (form_upload(r->state) == NULL)
    return MHD_NO; /* there was no memory to say that it is missing */
  return accept_upload(r);
}

const Operation submit_operation = {
  .name = "submit",
  .begin = start,
  .data = take,
  .finish = finish,
  .settle = settle,
  .drop = drop,
};
