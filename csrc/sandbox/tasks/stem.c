/* The stem listener: signed URLs, ranges, validators. */

#include "sandbox/tasks/stem.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/files.h"
#include "sandbox/http/range.h"
#include "sandbox/http/reply.h"
#include "sandbox/tasks/stemhead.h"
#include "sandbox/http/request_target.h"
#include "sandbox/faults/wrongstem.h"

#define PATH_MAX_STEM 128

static void name_path (char out[PATH_MAX_STEM], const Task *t, int which) {
  const char *file = t->stems[which].file;
  const char *dot = file == NULL ? NULL : strrchr(file, '.');
  snprintf(out, PATH_MAX_STEM, "/stems/%" PRId64 "/%s%.16s", t->run_id,
           stem_names[which], dot == NULL ? "" : dot);
}

/* The signature covers the path and the time, but not the origin: a proxy
** may stand before this one. */
static bool sign (char out[DIGEST_HEX], const Server *s, const char *path,
                  const char *expires) {
  char text[PATH_MAX_STEM + 64];
  int n = snprintf(text, sizeof text, "%s?expires=%s", path, expires);
  return n < (int)sizeof text && secret_sign(out, store_key(s->store), text);
}

char *stem_url (const Server *s, const Task *t, int which) {
  char path[PATH_MAX_STEM], expires[24], signature[DIGEST_HEX];
  size_t size = strlen(s->public_url) + sizeof path + sizeof expires +
                sizeof signature + 32;
  char *url = malloc(size);
  name_path(path, t, which);
  snprintf(expires, sizeof expires, "%" PRId64,
           (int64_t)time(NULL) + (int64_t)s->url_lifetime);
  if (url != NULL && sign(signature, s, path, expires)) {
    snprintf(url, size, "%s%s?expires=%s&signature=%s", s->public_url, path,
             expires, signature);
    return url;
  }
  free(url);
  return NULL;
}

/* Errors look like those of the storage that usually stands behind such
** URLs, and unlike the service's own. */
static enum MHD_Result refuse (Request *r, unsigned status, const char *code,
                               const char *message) {
  char text[512];
  struct MHD_Response *response;
  int n = snprintf(text, sizeof text,
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                   "<Error><Code>%s</Code><Message>%s</Message></Error>\n",
                   code, message);
  response =
    MHD_create_response_from_buffer((size_t)n, text, MHD_RESPMEM_MUST_COPY);
  if (response != NULL)
    MHD_add_response_header(response, "Content-Type", "application/xml");
  return reply_send(r, status, response);
}

static bool is_signed (const Request *r, const char *expires,
                       const char *signature) {
  char expected[DIGEST_HEX];
  return expires != NULL && signature != NULL &&
         sign(expected, r->server, r->record->path, expires) &&
         secret_equal(signature, expected);
}

/* The signature first: the time is worth looking at only if it is ours. */
static const char *find_fault (const Request *r) {
  char *expires = request_target_query(r->record->query, "expires");
  char *signature = request_target_query(r->record->query, "signature");
  const char *fault = NULL;
  int64_t until;
  if (!is_signed(r, expires, signature))
    fault = "SignatureDoesNotMatch";
  else if (!request_target_integer(expires, &until) ||
           until < (int64_t)time(NULL))
    fault = "AccessDenied";
  free(expires);
  free(signature);
  return fault;
}

static bool is_path_of (const char *path, const Task *t, int which) {
  char own[PATH_MAX_STEM];
  name_path(own, t, which);
  return t->stems[which].file != NULL && strcmp(path, own) == 0;
}

static const Task *find_stem (const Request *r, int *which) {
  const char *path = r->record->path;
  int64_t run;
  const Task *t;
  if (sscanf(path, "/stems/%" SCNd64 "/", &run) != 1)
    return NULL;
  t = store_run(r->server->store, run);
  if (t == NULL || !atomic_load(&t->ended))
    return NULL;
  for (*which = 0; *which < 2; ++*which)
    if (is_path_of(path, t, *which))
      return t;
  return NULL;
}

/* No symbolic links: what is served lies in the data folder. */
static int open_stem (const Task *t, int which, struct stat *st) {
  char *path = files_join(t->folder, t->stems[which].file);
  int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  free(path);
  if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))) {
    close(fd);
    fd = -1;
  }
  return fd;
}

/* Takes over 'fd'.  MHD closes it with the response; an empty file gets a
** response without one. */
static struct MHD_Response *respond (const Request *r, int fd, uint64_t first,
                                     uint64_t length) {
  struct MHD_Response *response = NULL;
  if (r->fault != NULL && length > 0)
    return wrongstem_respond(r->fault, fd, first, length);
  if (length > 0)
    response = MHD_create_response_from_fd_at_offset64(length, fd, first);
  if (response == NULL)
    close(fd);
  if (length == 0)
    response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  return response;
}

static enum MHD_Result send_beyond (Request *r, int fd, const StemHead *head) {
  char text[64];
  struct MHD_Response *response = respond(r, fd, 0, 0);
  snprintf(text, sizeof text, "bytes */%" PRIu64, head->size);
  if (response != NULL) {
    stemhead_add(head, response);
    MHD_add_response_header(response, "Content-Range", text);
  }
  return reply_send(r, MHD_HTTP_RANGE_NOT_SATISFIABLE, response);
}

static enum MHD_Result send_part (Request *r, int fd, const StemHead *head,
                                  uint64_t first, uint64_t length) {
  char text[96];
  struct MHD_Response *response = respond(r, fd, first, length);
  snprintf(text, sizeof text, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first,
           first + length - 1, head->size);
  if (response != NULL) {
    stemhead_add(head, response);
    MHD_add_response_header(response, "Content-Range", text);
  }
  return reply_send(r, MHD_HTTP_PARTIAL_CONTENT, response);
}

static enum MHD_Result send_whole (Request *r, int fd, const StemHead *head) {
  struct MHD_Response *response = respond(r, fd, 0, head->size);
  if (response != NULL)
    stemhead_add(head, response);
  return reply_send(r, MHD_HTTP_OK, response);
}

/* A range counts for GET only, and with If-Range only while the file is still
** the one that was meant. */
enum MHD_Result stem_send (Request *r, int fd, const StemHead *head) {
  uint64_t first, length;
  const char *range = request_header(r, "Range");
  if (strcmp(r->record->method, "GET") != 0 ||
      !stemhead_is_same(head, request_header(r, "If-Range")))
    range = NULL;
  switch (range_parse(range, head->size, &first, &length)) {
  case RANGE_PART:
    return send_part(r, fd, head, first, length);
  case RANGE_BEYOND:
    return send_beyond(r, fd, head);
  default:
    return send_whole(r, fd, head);
  }
}

static enum MHD_Result give_stem (Request *r) {
  const char *fault = find_fault(r);
  const Task *t;
  struct stat st;
  StemHead head;
  int which, fd = -1;
  if (fault != NULL)
    return refuse(r, MHD_HTTP_FORBIDDEN, fault,
                  fault[0] == 'A' ? "Request has expired"
                                  : "The signature is not the one expected");
  t = find_stem(r, &which);
  if (t != NULL)
    fd = open_stem(t, which, &st);
  if (fd < 0)
    return refuse(r, MHD_HTTP_NOT_FOUND, "NoSuchKey",
                  "The specified key does not exist");
  stemhead_make(&head, &t->stems[which], &st);
  if (r->fault != NULL)
    wrongstem_head(r->fault, &head);
  return stem_send(r, fd, &head);
}

const Operation stem_operation = {
  .name = "stem",
  .finish = give_stem,
};
