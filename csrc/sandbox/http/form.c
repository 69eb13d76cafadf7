/* Multipart forms, by libmicrohttpd's post processor. */

#include "sandbox/http/form.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#define BUFFER (128 * 1024) /* the largest step in which a file is written */
#define FIELDS_MAX (1024 * 1024)
#define PARTS_MAX 1000 /* as in the service's framework */

typedef enum PartKind { NO_PART, FIELD, MEDIA, OTHER_FILE } PartKind;

struct Form {
  Request *request;
  struct MHD_PostProcessor *parser; /* NULL: not a multipart form */
  FormFault fault;
  PartKind kind;          /* of the part that is arriving */
  char *name, *file_name; /* of that part */
  int parts;              /* begun so far */
  uint64_t arrived;       /* bytes of it so far */
  char *value;            /* of a FIELD, not terminated */
  size_t used, size;
  Upload *upload;
};

static void forget_file (Form *f) {
  RecordFile *file = &f->request->record->file;
  upload_free(f->upload, false);
  f->upload = NULL;
  free(file->field);
  free(file->name);
  free(file->content_type);
  memset(file, 0, sizeof *file);
}

void form_refuse (Form *f, FormFault why) {
  if (f->fault != FORM_FINE)
    return;
  f->fault = why;
  forget_file(f);
}

/* UTF-8 without NULs: anything else could not be told from its own prefix, or
** not be recorded. */
static FormFault check_text (const char *bytes, size_t n) {
  json_t *string;
  if (n == 0)
    return FORM_FINE;
  errno = 0;
  string = json_stringn(bytes, n);
  if (string == NULL && errno == ENOMEM)
    return FORM_NOT_STORED;
  json_decref(string);
  return string != NULL && memchr(bytes, '\0', n) == NULL ? FORM_FINE
                                                          : FORM_MALFORMED;
}

static void end_field (Form *f) {
  NameValues *fields = &f->request->record->fields;
  size_t n = strlen(f->name);
  FormFault why = check_text(f->name, n);
  if (why == FORM_FINE)
    why = check_text(f->value, f->used);
  if (why != FORM_FINE)
    form_refuse(f, why);
  else if (fields->used + n + f->used > FIELDS_MAX)
    form_refuse(f, FORM_TOO_LARGE);
  else if (!name_values_add(fields, f->name, n, f->value, f->used))
    form_refuse(f, FORM_NOT_STORED);
}

static void end_part (Form *f) {
  if (f->kind == FIELD)
    end_field(f);
  free(f->name);
  free(f->file_name);
  f->name = f->file_name = NULL;
  f->kind = NO_PART;
  f->arrived = f->used = 0;
}

/* Of several files the last one counts, as it does in the service. */
static void begin_file (Form *f, const char *type) {
  RecordFile *file = &f->request->record->file;
  forget_file(f);
  f->upload = upload_open(f->request->server->store, f->file_name);
  file->field = strdup(f->name);
  file->name = strdup(f->file_name);
  file->content_type = type == NULL ? NULL : strdup(type);
  if (f->upload == NULL || file->field == NULL || file->name == NULL)
    form_refuse(f, FORM_NOT_STORED);
}

static void begin_part (Form *f, const char *name, const char *file_name,
                        const char *type) {
  end_part(f);
  if (++f->parts > PARTS_MAX)
    form_refuse(f, FORM_MALFORMED);
  if (f->fault != FORM_FINE)
    return;
  f->name = strdup(name);
  f->file_name = file_name == NULL ? NULL : strdup(file_name);
  if (f->name == NULL || (file_name != NULL && f->file_name == NULL)) {
    form_refuse(f, FORM_NOT_STORED);
    return;
  }
  f->kind = file_name == NULL ? FIELD : OTHER_FILE;
  if (strcmp(name, "media_file") == 0 && f->kind == OTHER_FILE &&
      file_name[0] != '\0') {
    f->kind = MEDIA;
    begin_file(f, type);
  }
}

/* The parser may call twice at offset 0, without bytes at first. */
static bool is_same_part (const Form *f, const char *name,
                          const char *file_name, uint64_t offset) {
  if (f->kind == NO_PART)
    return false;
  if (offset > 0)
    return true;
  return f->arrived == 0 && strcmp(f->name, name) == 0 &&
         (f->file_name == NULL) == (file_name == NULL) &&
         (file_name == NULL || strcmp(f->file_name, file_name) == 0);
}

static void add_value (Form *f, const char *bytes, size_t n) {
  if (f->used + n > (size_t)f->request->server->max_field) {
    form_refuse(f, FORM_TOO_LARGE);
    return;
  }
  if (f->used + n > f->size) {
    size_t size = 2 * (f->used + n);
    char *grown = realloc(f->value, size);
    if (grown == NULL) {
      form_refuse(f, FORM_NOT_STORED);
      return;
    }
    f->value = grown;
    f->size = size;
  }
  if (n > 0)
    memcpy(f->value + f->used, bytes, n);
  f->used += n;
}

static enum MHD_Result on_part (void *context, enum MHD_ValueKind kind,
                                const char *name, const char *file_name,
                                const char *type, const char *encoding,
                                const char *bytes, uint64_t offset, size_t n) {
  Form *f = context;
  (void)kind;
  (void)encoding;
  if (name == NULL)
    name = "";
  if (!is_same_part(f, name, file_name, offset))
    begin_part(f, name, file_name, type);
  f->arrived += n;
  if (f->fault != FORM_FINE)
    return MHD_NO;
  if (f->kind == FIELD)
    add_value(f, bytes, n);
  else if (f->kind == MEDIA && !upload_write(f->upload, bytes, n))
    form_refuse(f, FORM_NOT_STORED);
  return f->fault == FORM_FINE ? MHD_YES : MHD_NO;
}

Form *form_new (Request *r) {
  const char *type = request_header(r, "Content-Type");
  Form *f = calloc(1, sizeof *f);
  if (f == NULL)
    return NULL;
  f->request = r;
  if (type == NULL || strncasecmp(type, "multipart/form-data", 19) != 0)
    return f;
  errno = 0;
  f->parser = MHD_create_post_processor(r->connection, BUFFER, on_part, f);
  if (f->parser == NULL)
    f->fault = errno == ENOMEM ? FORM_NOT_STORED : FORM_MALFORMED;
  return f;
}

void form_data (Form *f, const char *bytes, size_t n) {
  if (f->fault != FORM_FINE || f->parser == NULL)
    return;
  if (MHD_post_process(f->parser, bytes, n) != MHD_YES)
    form_refuse(f, FORM_MALFORMED);
}

/* The parser knows of a missing last boundary only when it is destroyed. */
static void end_parser (Form *f) {
  bool whole =
    f->parser == NULL || MHD_destroy_post_processor(f->parser) == MHD_YES;
  f->parser = NULL;
  if (!whole)
    form_refuse(f, FORM_MALFORMED);
}

FormFault form_finish (Form *f) {
  RecordFile *file = &f->request->record->file;
  end_parser(f);
  if (f->fault == FORM_FINE)
    end_part(f);
  if (f->fault == FORM_FINE && f->upload != NULL) {
    if (!upload_finish(f->upload))
      form_refuse(f, FORM_NOT_STORED);
    else {
      file->size = upload_size(f->upload);
      memcpy(file->sha256, upload_sha256(f->upload), DIGEST_HEX);
    }
  }
  return f->fault;
}

Upload *form_upload (const Form *f) {
  return f->upload;
}

char *form_value (const Form *f, const char *name) {
  const NameValues *fields = &f->request->record->fields;
  const char *last = NULL;
  size_t at = 0;
  NameValue p;
  while (name_values_next(fields, &at, &p))
    if (strcmp(p.name, name) == 0)
      last = p.value;
  return last == NULL ? NULL : strdup(last);
}

void form_keep (Form *f) {
  upload_free(f->upload, true);
  f->upload = NULL;
}

void form_free (Form *f) {
  if (f == NULL)
    return;
  if (f->parser != NULL)
    MHD_destroy_post_processor(f->parser);
  if (f->request->record != NULL) /* it broke: no file came whole */
    forget_file(f);
  upload_free(f->upload, false);
  free(f->name);
  free(f->file_name);
  free(f->value);
  free(f);
}
