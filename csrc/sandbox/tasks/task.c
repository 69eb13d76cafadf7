/* Tasks as JSON records on disk. */

#include "sandbox/tasks/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/files.h"

#define RECORD "task.json"

static const char *const digest_names[2] = {"foreground_sha256",
                                            "background_sha256"};

/* A record may be edited by hand, so a name in it is no more trusted than
** one from the network: it must stay within the folder. */
static bool is_plain_name (const char *name) {
  return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static char *copy_string (const json_t *record, const char *key) {
  const char *value = json_string_value(json_object_get(record, key));
  return value == NULL ? NULL : strdup(value);
}

static char *copy_name (const json_t *record, const char *key) {
  const char *value = json_string_value(json_object_get(record, key));
  return value == NULL || !is_plain_name(value) ? NULL : strdup(value);
}

static void copy_digest (char out[DIGEST_HEX], const json_t *record,
                         const char *key) {
  const char *value = json_string_value(json_object_get(record, key));
  if (value != NULL && strlen(value) == DIGEST_HEX - 1 &&
      strspn(value, "0123456789abcdef") == DIGEST_HEX - 1)
    memcpy(out, value, DIGEST_HEX);
}

static void read_input (Task *t, const json_t *record) {
  json_t *fields = json_object_get(record, "fields");
  t->input = copy_name(record, "input");
  t->file_name = copy_string(record, "file_name");
  t->content_type = copy_string(record, "content_type");
  t->size = json_integer_value(json_object_get(record, "size"));
  copy_digest(t->sha256, record, "sha256");
  t->fields = json_is_object(fields) ? json_incref(fields) : json_object();
  t->created = json_number_value(json_object_get(record, "created"));
}

static void read_outcome (Task *t, const json_t *record) {
  t->run_id = json_integer_value(json_object_get(record, "run_id"));
  t->reason = copy_string(record, "exception_reason");
  t->message = copy_string(record, "message");
  for (int i = 0; i < 2; i++) {
    t->stems[i].file = copy_name(record, stem_names[i]);
    copy_digest(t->stems[i].sha256, record, digest_names[i]);
  }
  atomic_init(&t->ended, strcmp(t->status, "PENDING") != 0);
}

static Task *from_record (const char *folder, const json_t *record) {
  Task *t = calloc(1, sizeof *t);
  if (t == NULL)
    return NULL;
  t->folder = strdup(folder);
  t->id = copy_string(record, "task_id");
  t->status = copy_string(record, "status");
  if (t->folder != NULL && t->id != NULL && t->status != NULL) {
    read_input(t, record);
    read_outcome(t, record);
    if (t->run_id >= 0 && (atomic_load(&t->ended) || t->input != NULL))
      return t;
  }
  task_free(t);
  return NULL;
}

Task *task_read (const char *folder) {
  Task *t = NULL;
  char *path = files_join(folder, RECORD);
  json_t *record = path == NULL ? NULL : json_load_file(path, 0, NULL);
  if (json_is_object(record))
    t = from_record(folder, record);
  json_decref(record);
  free(path);
  return t;
}

static bool put (json_t *record, const char *key, json_t *value) {
  return json_object_set_new(record, key, value) == 0;
}

/* What is no UTF-8, such as a file name may be, is left out. */
static bool put_string (json_t *record, const char *key, const char *value) {
  json_t *string = value == NULL ? NULL : json_string(value);
  return put(record, key, string != NULL ? string : json_null());
}

static bool put_digest (json_t *record, const char *key, const char *digest) {
  return put_string(record, key, digest[0] == '\0' ? NULL : digest);
}

static bool put_input (json_t *record, const Task *t) {
  return put_string(record, "input", t->input) &&
         put_string(record, "file_name", t->file_name) &&
         put_string(record, "content_type", t->content_type) &&
         put(record, "size", json_integer(t->size)) &&
         put_digest(record, "sha256", t->sha256) &&
         put(record, "fields", json_incref(t->fields)) &&
         put(record, "created", json_real(t->created));
}

static bool put_outcome (json_t *record, const Task *t) {
  json_t *run = t->run_id > 0 ? json_integer(t->run_id) : json_null();
  bool ok = put_string(record, "status", t->status) &&
            put(record, "run_id", run) &&
            put_string(record, "exception_reason", t->reason) &&
            put_string(record, "message", t->message);
  for (int i = 0; ok && i < 2; i++)
    ok = put_string(record, stem_names[i], t->stems[i].file) &&
         put_digest(record, digest_names[i], t->stems[i].sha256);
  return ok;
}

static char *to_text (const Task *t) {
  json_t *record = json_object();
  char *text = NULL;
  if (record != NULL && put_string(record, "task_id", t->id) &&
      put_outcome(record, t) && put_input(record, t))
    text = json_dumps(record, JSON_INDENT(2));
  json_decref(record);
  return text;
}

int task_write (const Task *t, bool sync) {
  int result = -1;
  char *text = to_text(t);
  errno = ENOMEM;
  if (text != NULL)
    result = files_replace(t->folder, RECORD, text, strlen(text), sync);
  free(text);
  return result;
}

static bool copy_optional (char **to, const char *from) {
  free(*to);
  *to = from == NULL ? NULL : strdup(from);
  return from == NULL || *to != NULL;
}

bool task_settle (Task *t, const Outcome *o) {
  char *status = strdup(o->status);
  bool ok = copy_optional(&t->reason, o->reason) &&
            copy_optional(&t->message, o->message) &&
            copy_optional(&t->stems[0].file, o->files[0]) &&
            copy_optional(&t->stems[1].file, o->files[1]) && status != NULL;
  if (!ok) {
    free(status);
    return false;
  }
  for (int i = 0; i < 2; i++)
    memcpy(t->stems[i].sha256, o->sha256[i], DIGEST_HEX);
  t->run_id = o->run_id;
  free(t->status);
  t->status = status;
  return true;
}

void task_publish (Task *t) {
  atomic_store(&t->ended, true);
}

void task_free (Task *t) {
  if (t == NULL)
    return;
  free(t->id);
  free(t->folder);
  free(t->file_name);
  free(t->content_type);
  free(t->input);
  json_decref(t->fields);
  free(t->status);
  free(t->reason);
  free(t->message);
  free(t->stems[0].file);
  free(t->stems[1].file);
  free(t);
}
