/* Fuzzes multipart forms.  However the bytes of a body are cut on their way,
** the form is the same; and a form that was made of parts comes back as these
** parts.
**
** The first byte says which of the two the rest stands for, the next four how
** the body is cut. */

#include "fuzz.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "sandbox/http/form.h"

#define BOUNDARY "cut"
#define BODY_MAX (64u << 10)

enum { MAX_FIELD = 4096 };

static Server server = {.max_field = MAX_FIELD};
static struct MHD_Connection *connection;
static int peer[2];

/* The parser is given a connection of a real daemon, which has read these
** headers; it stays suspended from then on. */
static const char headers[] =
  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
  "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n\r\n";

static enum MHD_Result on_call (void *context, struct MHD_Connection *c,
                                const char *url, const char *method,
                                const char *version, const char *bytes,
                                size_t *n, void **state) {
  (void)context, (void)url, (void)method, (void)version;
  (void)bytes, (void)n, (void)state;
  connection = c;
  MHD_suspend_connection(c);
  return MHD_YES;
}

static void close_store (void) {
  store_free(server.store);
}

static void open_all (void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  struct MHD_Daemon *daemon =
    MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0,
                     NULL, NULL, on_call, NULL, MHD_OPTION_END);
  Failure why;
  MUST(daemon != NULL && socketpair(AF_UNIX, SOCK_STREAM, 0, peer) == 0);
  MUST(write(peer[0], headers, sizeof headers - 1) == sizeof headers - 1);
  MUST(MHD_add_connection(daemon, peer[1], (struct sockaddr *)&address,
                          sizeof address) == MHD_YES);
  while (connection == NULL)
    MUST(MHD_run(daemon) == MHD_YES);
  server.store = store_open(NULL, &why);
  MUST(server.store != NULL);
  atexit(close_store);
}

typedef struct Parse {
  Request request;
  Form *form;
  FormFault fault;
} Parse;

/* 'seed' 0: in one piece; else in pieces that it tells. */
static void parse (Parse *p, const char *body, size_t size, uint32_t seed) {
  memset(p, 0, sizeof *p);
  p->request.server = &server;
  p->request.connection = connection;
  p->request.record = record_new("api");
  MUST(p->request.record != NULL);
  p->form = form_new(&p->request);
  MUST(p->form != NULL);
  while (size > 0) {
    size_t n = size;
    if (seed != 0) {
      seed = seed * 1664525u + 1013904223u; /* Knuth's quick generator */
      n = 1 + (seed >> 16) % (seed >> 31 ? 7 : 700);
      n = n < size ? n : size;
    }
    form_data(p->form, body, n);
    body += n;
    size -= n;
  }
  p->fault = form_finish(p->form);
}

static void forget (Parse *p) {
  form_free(p->form);
  record_release(p->request.record);
}

static void check_same (const char *a, const char *b) {
  MUST((a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0));
}

static void check_equal (const Parse *a, const Parse *b) {
  const Record *x = a->request.record, *y = b->request.record;
  MUST(a->fault == b->fault);
  if (a->fault != FORM_FINE)
    return;
  MUST(x->fields.used == y->fields.used);
  MUST(x->fields.used == 0 ||
       memcmp(x->fields.bytes, y->fields.bytes, x->fields.used) == 0);
  MUST(x->file.size == y->file.size);
  check_same(x->file.name, y->file.name);
  check_same(x->file.content_type, y->file.content_type);
  check_same(x->file.sha256, y->file.sha256);
}

/* A form that is refused has left nothing, one that is not is within bounds. */
static void check_bounds (const Parse *p) {
  size_t at = 0;
  NameValue pair;
  MUST(p->fault == FORM_FINE || form_upload(p->form) == NULL);
  while (name_values_next(&p->request.record->fields, &at, &pair)) {
    MUST(pair.length <= MAX_FIELD && strlen(pair.value) == pair.length);
    MUST(strlen(pair.name) == pair.name_length);
  }
}

static void fuzz_cuts (Input *in, uint32_t seed) {
  Parse whole, cut;
  parse(&whole, (const char *)in->at, in->left, 0);
  parse(&cut, (const char *)in->at, in->left, seed | 1);
  check_bounds(&whole);
  check_bounds(&cut);
  check_equal(&whole, &cut);
  forget(&whole);
  forget(&cut);
}

typedef struct Body {
  char *bytes;
  size_t size, room;
} Body;

static void put (Body *b, const void *bytes, size_t n) {
  if (b->size + n > b->room) {
    b->room = 2 * (b->size + n);
    b->bytes = realloc(b->bytes, b->room);
    MUST(b->bytes != NULL);
  }
  memcpy(b->bytes + b->size, bytes, n);
  b->size += n;
}

static void put_text (Body *b, const char *text) {
  put(b, text, strlen(text));
}

/* What is left over stands for the file; it may hold all but the boundary. */
static void put_file (Body *b, const Input *in) {
  put_text(b, "--" BOUNDARY "\r\nContent-Disposition: form-data; "
              "name=\"media_file\"; filename=\"a.wav\"\r\n"
              "Content-Type: audio/wav\r\n\r\n");
  put(b, in->at, in->left);
  put_text(b, "\r\n--" BOUNDARY "--\r\n");
}

static bool has_boundary (const Input *in) {
  return memmem(in->at, in->left, "--" BOUNDARY, sizeof BOUNDARY + 1) != NULL;
}

/* Values of letters, or anything else that a field may hold. */
static size_t put_fields (Body *b, Input *in, char values[8][256]) {
  size_t count = input_byte(in) % 8;
  for (size_t i = 0; i < count; i++) {
    size_t n = input_byte(in);
    char name[8], *to = values[i];
    while (n-- > 0)
      *to++ = (char)(1 + input_byte(in) % 0x7F);
    *to = '\0';
    if (strstr(values[i], "--" BOUNDARY) != NULL)
      values[i][0] = '\0';
    snprintf(name, sizeof name, "f%zu", i);
    put_text(b, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"");
    put_text(b, name);
    put_text(b, "\"\r\n\r\n");
    put_text(b, values[i]);
    put_text(b, "\r\n");
  }
  return count;
}

static void check_parts (const Parse *p, const Input *file, size_t count,
                         char values[8][256]) {
  MUST(p->fault == FORM_FINE && form_upload(p->form) != NULL);
  MUST(p->request.record->file.size == (int64_t)file->left);
  check_same(p->request.record->file.name, "a.wav");
  for (size_t i = 0; i < count; i++) {
    char name[8], *value;
    snprintf(name, sizeof name, "f%zu", i);
    value = form_value(p->form, name);
    check_same(value, values[i]);
    free(value);
  }
}

static void fuzz_parts (Input *in, uint32_t seed) {
  char values[8][256];
  Body body = {0};
  size_t count = put_fields(&body, in, values);
  Parse p;
  if (!has_boundary(in)) {
    put_file(&body, in);
    parse(&p, body.bytes, body.size, seed);
    check_parts(&p, in, count, values);
    forget(&p);
  }
  free(body.bytes);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  Input in = {data, size};
  bool parts = input_byte(&in) % 2 != 0;
  uint32_t seed = (uint32_t)input_number(&in, 4);
  if (size > BODY_MAX)
    return -1;
  if (connection == NULL)
    open_all();
  (parts ? fuzz_parts : fuzz_cuts)(&in, seed);
  return 0;
}
