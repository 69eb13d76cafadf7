/* Fuzzes what the core keeps of a reply: the input is all that a server ever
** says on a connection. */

#include "received.h"

/* What fits is a whole value, and holds nothing that could end a line. */
static void check_value (const char *value, size_t room) {
  MUST(strnlen(value, room) < room);
  MUST(value[0] != ' ' && value[0] != '\t');
  for (; *value != '\0'; value++)
    MUST(*value == '\t' || ((unsigned char)*value >= ' ' && *value != 0x7F));
}

static void check_headers (const Exchange *x) {
  long seconds = exchange_retry_after(x);
  MUST(x->header_bytes <= HEADER_LIMIT || x->overflow);
  MUST(seconds >= -1 && seconds <= 10000000);
  MUST(x->has_retry_after == (seconds != -1));
  check_value(x->etag, sizeof x->etag);
  check_value(x->last_modified, sizeof x->last_modified);
  check_value(x->repr_digest, sizeof x->repr_digest);
  check_value(x->content_type, sizeof x->content_type);
  check_value(x->content_range, sizeof x->content_range);
  check_value(x->location, sizeof x->location);
}

static void check_body (const Exchange *x) {
  size_t limit = exchange_status(x) < 300 ? REPLY_LIMIT : ERROR_BODY_LIMIT;
  MUST(x->body.size <= limit && x->body.size <= x->body.capacity);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  CURLcode code;
  Exchange *x;
  if (size > RECEIVED_MAX)
    return -1;
  x = received(data, size, &code);
  MUST(exchange_error(x, code)[0] != '\0');
  MUST(!x->overflow || code != CURLE_OK);
  check_headers(x);
  check_body(x);
  exchange_reset(x);
  MUST(x->body.size == 0 && x->etag[0] == '\0' && !x->has_retry_after);
  exchange_close(x);
  return 0;
}
