/* A small request: its reply is kept in memory, bounded, and asked for again
** after faults that pass. */

#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "operation.h"
#include "session_private.h"

typedef struct Request {
  Transfer base;
  char *body;
  size_t body_size;
} Request;

static int prepare (Transfer *t, Exchange *x) {
  Request *r = (Request *)t;
  transfer_limit(t, x, session_attempt_ms(t->session));
  exchange_keep_body(x);
  curl_easy_setopt(x->easy, CURLOPT_ACCEPT_ENCODING, "");
  transfer_share(t, x);
  if (r->body != NULL) {
    curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)r->body_size);
    curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, r->body);
  }
  return 0;
}

static void finish (Transfer *t, Exchange *x, CURLcode code) {
  const Request *r = (const Request *)t;
  long status = t->http_status;
  if (x->overflow || (code != CURLE_OK && !backoff_code(code)))
    transfer_fail_exchange(t, x, code);
  else if (code != CURLE_OK || backoff_status(status))
    transfer_retry(t, x, code);
  else if (status >= 200 && status < 300)
    transfer_succeed(t, x);
  else if (r->body != NULL || !transfer_redirect(t, x))
    transfer_fail_exchange(t, x, code);
}

int64_t request_again (Transfer *t) {
  int64_t ms = t->session != NULL ? transfer_pause(t, RETRY_ABSENT, -1) : -1;
  if (ms < 0 || transfer_revive(t, t->url) != 0)
    return -1;
  transfer_start_in(t, ms);
  return ms;
}

static void destroy (Transfer *t) {
  free(((Request *)t)->body);
}

static const Operation operation = {prepare, finish, NULL, NULL, destroy};

Transfer *request_open (Session *s, const RequestOptions *options) {
  Request *r = calloc(1, sizeof *r);
  if (r == NULL)
    return NULL;
  r->base.operation = &operation;
  r->base.api = true;
  if (options->body != NULL) {
    r->body = malloc(options->body_size + 1);
    if (r->body == NULL) {
      free(r);
      errno = ENOMEM;
      return NULL;
    }
    memcpy(r->body, options->body, options->body_size);
    r->body_size = options->body_size;
  }
  return transfer_begin(&r->base, s, &options->transfer) == 0 ? &r->base : NULL;
}
