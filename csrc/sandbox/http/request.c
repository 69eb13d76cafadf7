/* From the daemon's callbacks to the operations. */

#include "sandbox/http/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sandbox/http/reply.h"
#include "sandbox/http/route.h"
#include "sandbox/http/request_target.h"

/* Discard at most this much of an unwanted body. */
#define UNREAD_MAX (64 * 1024)

static void request_free (Request *r) {
  free(r->argument);
  record_release(r->record);
  free(r);
}

/* The target is taken from the line itself: the daemon's own decoding would
** make an escaped slash in a task id a slash of the path. */
void *request_on_line (void *context, const char *line,
                       struct MHD_Connection *connection) {
  static const char *const names[LISTENERS] = {"api", "stem"};
  Listener *l = context;
  Request *r = calloc(1, sizeof *r);
  if (r == NULL)
    return NULL;
  r->server = l->server;
  r->listener = l;
  r->connection = connection;
  r->record = record_new(names[l->kind]);
  if (r->record != NULL &&
      request_target_split(line, &r->record->path, &r->record->query))
    return r;
  request_free(r);
  return NULL;
}

static Waiting *waiting (struct MHD_Connection *connection) {
  return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
    ->socket_context;
}

static enum MHD_Result on_header (void *context, enum MHD_ValueKind kind,
                                  const char *name, size_t name_length,
                                  const char *value, size_t length) {
  char lower[256];
  size_t n = name_length < sizeof lower ? name_length : sizeof lower;
  (void)kind;
  for (size_t i = 0; i < n; i++)
    lower[i] =
      (name[i] >= 'A' && name[i] <= 'Z') ? (char)(name[i] + 32) : name[i];
  name_values_add(context, lower, n, value != NULL ? value : "", length);
  return MHD_YES;
}

static bool has_body (const Request *r) {
  const char *length = request_header(r, "Content-Length");
  return (length != NULL && strcmp(length, "0") != 0) ||
         request_header(r, "Transfer-Encoding") != NULL;
}

/* The headers that say where the body ends. */
typedef struct Framing {
  const char *length;
  size_t length_size;
  bool is_chunked, is_ambiguous;
} Framing;

static bool has_only (const char *s, size_t n, const char *allowed) {
  for (size_t i = 0; i < n; i++)
    if (s[i] == '\0' || strchr(allowed, s[i]) == NULL)
      return false;
  return n > 0;
}

static void see_length (Framing *f, const char *value, size_t n) {
  if (!has_only(value, n, "0123456789") ||
      (f->length != NULL &&
       (n != f->length_size || memcmp(value, f->length, n) != 0)))
    f->is_ambiguous = true;
  f->length = value;
  f->length_size = n;
}

static void see_coding (Framing *f, const char *value) {
  if (f->is_chunked || strcasecmp(value, "chunked") != 0)
    f->is_ambiguous = true;
  f->is_chunked = true;
}

static enum MHD_Result on_framing (void *context, enum MHD_ValueKind kind,
                                   const char *name, size_t name_length,
                                   const char *value, size_t length) {
  Framing *f = context;
  (void)kind;
  if (!has_only(name, name_length,
                "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    f->is_ambiguous = true;
  else if (strcasecmp(name, "Content-Length") == 0)
    see_length(f, value != NULL ? value : "", length);
  else if (strcasecmp(name, "Transfer-Encoding") == 0)
    see_coding(f, value != NULL ? value : "");
  return MHD_YES;
}

/* A proxy that sees the end of the body elsewhere would let a second request
** pass inside the first. */
static bool is_ambiguous (const Request *r, const char *version) {
  Framing f = {NULL, 0, false, false};
  MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, on_framing, &f);
  return f.is_ambiguous || (f.is_chunked && f.length != NULL) ||
         (f.is_chunked && strcmp(version, MHD_HTTP_VERSION_1_1) != 0);
}

/* The fault that was taken struck, or waits for another request. */
static void settle_fault (Request *r, bool struck) {
  if (r->fault != NULL)
    faults_settle(r->server->faults, r->fault, struck);
  r->fault = NULL;
}

static bool is_due (const Request *r, Moment at) {
  return r->fault != NULL && !r->fault->alters && r->fault->at == at;
}

/* From here on the player owns the connection. */
static enum MHD_Result strike (Request *r) {
  bool played;
  slow_clients_pause(r->server->slow_clients, waiting(r->connection));
  r->struck = true;
  r->record->status = r->fault->status;
  log_add(r->server->log, r->record);
  r->record = NULL;
  played = player_play(r->server->player, r->connection, r->fault);
  settle_fault(r, true);
  return played ? MHD_YES : MHD_NO;
}

static enum MHD_Result strike_before (Request *r, bool whole) {
  if (r->operation->settle != NULL)
    r->operation->settle(r, whole);
  return strike(r);
}

bool request_replaced (Request *r, unsigned status, enum MHD_Result *result) {
  bool ok = status < 300;
  if (ok && is_due(r, AT_ACCEPTED)) {
    *result = strike(r);
    return true;
  }
  settle_fault(r, ok && r->fault != NULL && r->fault->alters);
  return false;
}

static enum MHD_Result begin (Request *r) {
  return r->operation->begin == NULL ? MHD_YES : r->operation->begin(r);
}

/* This is the one place where a request meets its operation.  The daemon closes
** a connection on which it replied before the body, so without a body, the
** beginning waits for the end. */
static enum MHD_Result meet (Request *r, const char *method,
                             const char *version) {
  r->record->method = strdup(method);
  MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, on_header,
                              &r->record->headers);
  r->operation = r->record->method == NULL ? &unknown_operation : route_find(r);
  if (r->record->method == NULL || r->no_memory)
    return MHD_NO; /* a task that is only not found now is not unknown */
  if (is_ambiguous(r, version)) {
    r->operation = &unknown_operation;
    return reply_detail(r, MHD_HTTP_BAD_REQUEST,
                        "Invalid HTTP request received.");
  }
  atomic_fetch_add(&r->server->stats.requests[operation_index(r->operation)],
                   1);
  r->fault = faults_take(r->server->faults, r->operation, r->record->path);
  if (is_due(r, AT_HEADERS))
    return strike_before(r, false);
  r->begun = has_body(r);
  if (!r->begun)
    return MHD_YES;
  slow_clients_expect(r->server->slow_clients, waiting(r->connection));
  return begin(r);
}

static enum MHD_Result finish (Request *r) {
  slow_clients_pause(r->server->slow_clients, waiting(r->connection));
  if (!r->begun) {
    enum MHD_Result result = begin(r);
    if (result != MHD_YES || r->record == NULL)
      return result;
  }
  if (is_due(r, AT_BODY) || is_due(r, AT_REQUEST))
    return strike_before(r, true);
  return r->operation->finish(r);
}

/* Bytes of the body; what a fault does not let arrive is not counted. */
static enum MHD_Result take (Request *r, const char *bytes, size_t n) {
  bool due = is_due(r, AT_BODY) && r->record->body_bytes + n >= r->fault->after;
  enum MHD_Result result = MHD_YES;
  if (due)
    n = (size_t)(r->fault->after - r->record->body_bytes);
  r->record->body_bytes += n;
  slow_clients_fed(r->server->slow_clients, waiting(r->connection), n);
  if (r->operation->data == NULL)
    result = r->record->body_bytes <= UNREAD_MAX ? MHD_YES : MHD_NO;
  else if (n > 0)
    result = r->operation->data(r, bytes, n);
  return due && result == MHD_YES ? strike_before(r, false) : result;
}

enum MHD_Result request_on_call (void *context,
                                 struct MHD_Connection *connection,
                                 const char *url, const char *method,
                                 const char *version, const char *bytes,
                                 size_t *n, void **state) {
  Request *r = *state;
  size_t length = *n;
  (void)context;
  (void)connection;
  (void)url;
  if (r == NULL || r->struck)
    return MHD_NO;
  if (r->operation == NULL)
    return meet(r, method, version);
  if (length == 0)
    return finish(r);
  *n = 0;
  return take(r, bytes, length);
}

/* A request that broke is logged as well, with no status. */
void request_on_end (void *context, struct MHD_Connection *connection,
                     void **state, enum MHD_RequestTerminationCode how) {
  Request *r = *state;
  Listener *l = context;
  (void)how;
  slow_clients_expect(l->server->slow_clients, waiting(connection));
  if (r == NULL)
    return;
  *state = NULL;
  settle_fault(r, false);
  if (r->operation != NULL && r->operation->drop != NULL)
    r->operation->drop(r);
  if (r->record != NULL && r->record->method != NULL) {
    log_add(r->server->log, r->record);
    r->record = NULL;
  }
  request_free(r);
}

const char *request_header (const Request *r, const char *name) {
  return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}
