/* One HTTP exchange: a libcurl easy handle, what is needed of the reply's
** headers, and the bounded body.  Exchanges are pooled by the session, so a
** transfer that only waits has none. */

#ifndef CAMB_EXCHANGE_H
#define CAMB_EXCHANGE_H

#include <stdbool.h>

#include <curl/curl.h>

#include "buffer.h"

#define REPLY_LIMIT (8u << 20)    /* bytes of a reply, after decompression */
#define HEADER_LIMIT (256u << 10) /* bytes of all header lines of a reply */
#define ERROR_BODY_LIMIT (4u << 10)
#define UPLOAD_REPLY_LIMIT (1u << 20)
#define UPLOAD_BODY_LIMIT (64u << 10) /* of an error that may hold an id */

typedef struct Exchange {
  CURL *easy;
  struct Transfer *owner;
  struct Exchange *next; /* in the pool */
  struct curl_slist *headers;
  bool runs;           /* in the multi handle */
  bool shared_headers; /* 'headers' belongs to the session */
  Buffer body;
  size_t error_limit; /* of 'body', when the reply is an error */
  size_t discarded;   /* bytes of an error body beyond its limit */
  size_t header_bytes;
  long status; /* of the reply whose head came last; 0: none, or a 1xx */
  bool has_retry_after;
  bool overflow;  /* a ceiling was passed: the reply is unusable */
  bool no_memory; /* there was none for the reply */
  char etag[128]; /* "" when there is none or it is too long */
  char last_modified[40];
  char repr_digest[192];
  char content_type[64];
  char disposition[512]; /* Content-Disposition */
  char content_range[64];
  char date[40];
  char retry_after[64];
  char content_encoding[16];
  char task_id[256];
  char location[512]; /* as sent: it may hold anything */
  char error[CURL_ERROR_SIZE];
} Exchange;

/* A new exchange, NULL when there is no memory. */
Exchange *exchange_open (void);

/* Free it.  Not while its handle is in a multi handle.  NULL does nothing. */
void exchange_close (Exchange *x);

/* Back to the state after exchange_open; connections are the multi's. */
void exchange_reset (Exchange *x);

/* Keep the reply's body in 'body', within its ceilings. */
void exchange_keep_body (Exchange *x);

/* The write callback behind that, for callers with one of their own. */
size_t exchange_on_body (char *data, size_t one, size_t size, void *arg);

/* The request is sent, for the first time or, if libcurl decides so, again:
** whatever came before is not its reply. */
void exchange_begin (Exchange *x);

/* Status of the reply, 0 when there was none. */
long exchange_status (const Exchange *x);

/* True when the reply came by HTTP/2 or later: one connection takes many. */
bool exchange_is_multiplexed (const Exchange *x);

/* Seconds the service asked to wait (Retry-After), 0 when that time has passed,
** -1 when it did not ask. */
long exchange_retry_after (const Exchange *x);

/* What went wrong, in libcurl's own words if it has any. */
const char *exchange_error (const Exchange *x, CURLcode code);

#endif
