/* What the page is asked for:
**
**   GET /                     the page
**   GET /events               its items, and what becomes of them
**   GET /audio/ID/TRACK       a recording or a stem
**   GET /picture/ID/TRACK     what that looks like
**   POST /files?name=NAME     a file was dropped */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/http/reply.h"
#include "sandbox/http/request_target.h"
#include "sandbox/page/guard.h"
#include "sandbox/tasks/stem.h"

#define UNREAD_MAX (64 * 1024)

/* What a request holds until it has ended. */
typedef struct Answer {
  Painting *painting;
  Dropped *dropped;
} Answer;

static Answer *answer_of (Request *r) {
  if (r->state == NULL)
    r->state = calloc(1, sizeof(Answer));
  return r->state;
}

static bool is_files (const Request *r) {
  return strcmp(r->record->path, "/files") == 0;
}

static bool has_method (Request *r) {
  bool is_get = strcmp(r->record->method, "GET") == 0;
  r->allow = is_files(r) ? "POST" : "GET";
  return is_files(r) ? strcmp(r->record->method, "POST") == 0 : is_get;
}

/* --- a dropped file ------------------------------------------------------- */

/* A body whose headers announce too much is refused before it is sent. */
static bool is_too_large (const Request *r) {
  const char *text = request_header(r, "Content-Length");
  int64_t length;
  return text != NULL && (!request_target_integer(text, &length) ||
                          length > r->server->max_upload);
}

static enum MHD_Result refuse_size (Request *r) {
  return reply_detail(r, MHD_HTTP_CONTENT_TOO_LARGE,
                      "The file is larger than this page takes.");
}

static enum MHD_Result refuse_storage (Request *r) {
  return reply_detail(r, MHD_HTTP_INSUFFICIENT_STORAGE,
                      "The file could not be stored.");
}

static enum MHD_Result open_file (Request *r, Page *page, const char *name) {
  Answer *a = answer_of(r);
  if (!page_expect_dropped(page))
    return reply_detail(r, MHD_HTTP_SERVICE_UNAVAILABLE,
                        "Too many files are waiting: try again later.");
  if (a != NULL)
    a->dropped = dropped_open(page_folder(page), name);
  if (a != NULL && a->dropped != NULL)
    return MHD_YES;
  page_lose_dropped(page);
  return refuse_storage(r);
}

static enum MHD_Result begin_file (Request *r) {
  char *name = request_target_query(r->record->query, "name");
  enum MHD_Result result;
  if (name == NULL || name[0] == '\0')
    result = reply_detail(r, MHD_HTTP_BAD_REQUEST, "The file has no name.");
  else if (is_too_large(r))
    result = refuse_size(r);
  else
    result = open_file(r, r->server->page, name);
  free(name);
  return result;
}

static enum MHD_Result finish_file (Request *r) {
  Answer *a = r->state;
  Dropped *d = a->dropped;
  if (d->size == 0)
    return reply_detail(r, MHD_HTTP_BAD_REQUEST, "The file is empty.");
  if (!dropped_finish(d))
    return refuse_storage(r);
  a->dropped = NULL;
  page_add_dropped(r->server->page, d);
  return reply_json(r, MHD_HTTP_OK, json_pack("{}"));
}

/* --- what is there -------------------------------------------------------- */

static enum MHD_Result send_text (Request *r, const char *type, char *text,
                                  enum MHD_ResponseMemoryMode mode) {
  struct MHD_Response *response =
    text == NULL ? NULL
                 : MHD_create_response_from_buffer(strlen(text), text, mode);
  if (response == NULL) {
    if (mode == MHD_RESPMEM_MUST_FREE)
      free(text);
    return MHD_NO;
  }
  MHD_add_response_header(response, "Content-Type", type);
  return reply_send(r, MHD_HTTP_OK, response);
}

static enum MHD_Result send_page (Request *r) {
  return send_text(r, "text/html; charset=utf-8",
                   (char *)page_html(r->server->page), MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_events (Request *r) {
  struct MHD_Response *response = page_watch(r->server->page, r->connection);
  if (response == NULL)
    return reply_detail(r, MHD_HTTP_SERVICE_UNAVAILABLE,
                        "Too many pages are open.");
  MHD_add_response_header(response, "Content-Type", "text/event-stream");
  return reply_send(r, MHD_HTTP_OK, response);
}

/* The path of the track that "ID/TRACK" means, in fresh memory. */
static char *find_track (const Request *r, const char *which) {
  const char *slash = strchr(which, '/');
  char digits[16];
  int64_t id;
  size_t n = slash == NULL ? 0 : (size_t)(slash - which);
  if (n == 0 || n >= sizeof digits)
    return NULL;
  memcpy(digits, which, n);
  digits[n] = '\0';
  if (!request_target_integer(digits, &id) || id < 1)
    return NULL;
  for (size_t t = 0; t < PAGE_TRACKS; t++)
    if (strcmp(slash + 1, page_tracks[t]) == 0)
      return page_path(r->server->page, (size_t)id, t);
  return NULL;
}

static enum MHD_Result refuse_track (Request *r) {
  return reply_detail(r, MHD_HTTP_NOT_FOUND, "There is no such file.");
}

static enum MHD_Result send_audio (Request *r, const char *path) {
  struct stat st;
  StemHead head;
  Stem stem = {.file = (char *)path};
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
    close(fd);
    fd = -1;
  }
  if (fd < 0)
    return refuse_track(r);
  stemhead_make(&head, &stem, &st);
  return stem_send(r, fd, &head);
}

/* Comes a second time when the picture is there. */
static enum MHD_Result send_picture (Request *r, const char *path) {
  Answer *a = answer_of(r);
  if (a != NULL && a->painting != NULL)
    return send_text(r, "application/json", painting_take(a->painting),
                     MHD_RESPMEM_MUST_FREE);
  if (a != NULL)
    a->painting =
      painter_ask(page_painter(r->server->page), r->connection, path);
  return a != NULL && a->painting != NULL ? MHD_YES : MHD_NO;
}

static enum MHD_Result send_track (Request *r, const char *which,
                                   enum MHD_Result (*send)(Request *r,
                                                           const char *path)) {
  char *path = find_track(r, which);
  enum MHD_Result result = path == NULL ? refuse_track(r) : send(r, path);
  free(path);
  return result;
}

/* --- requests -------------------------------------------------------------- */

static enum MHD_Result begin (Request *r) {
  const char *problem = guard_problem(r);
  if (problem != NULL)
    return reply_detail(r, MHD_HTTP_FORBIDDEN, problem);
  if (!has_method(r))
    return reply_detail(r, MHD_HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed");
  return is_files(r) ? begin_file(r) : MHD_YES;
}

static enum MHD_Result take (Request *r, const char *bytes, size_t n) {
  Answer *a = r->state;
  if (a == NULL || a->dropped == NULL)
    return r->record->body_bytes <= UNREAD_MAX ? MHD_YES : MHD_NO;
  if (a->dropped->size + n > (uint64_t)r->server->max_upload)
    return MHD_NO; /* more than was announced, or nothing was */
  return dropped_write(a->dropped, bytes, n) ? MHD_YES : MHD_NO;
}

static enum MHD_Result finish (Request *r) {
  static const char audio[] = "/audio/", picture[] = "/picture/";
  const char *path = r->record->path;
  if (is_files(r))
    return finish_file(r);
  if (strcmp(path, "/") == 0)
    return send_page(r);
  if (strcmp(path, "/events") == 0)
    return send_events(r);
  if (strncmp(path, audio, sizeof audio - 1) == 0)
    return send_track(r, path + sizeof audio - 1, send_audio);
  if (strncmp(path, picture, sizeof picture - 1) == 0)
    return send_track(r, path + sizeof picture - 1, send_picture);
  return reply_detail(r, MHD_HTTP_NOT_FOUND, "Not Found");
}

static void drop (Request *r) {
  Answer *a = r->state;
  if (a == NULL)
    return;
  if (a->dropped != NULL)
    page_lose_dropped(r->server->page);
  dropped_free(a->dropped, false);
  painting_free(a->painting);
  free(a);
  r->state = NULL;
}

/* The page works for itself alone, and runs nothing but its own script. */
static void decorate (const Request *r, struct MHD_Response *response) {
  bool is_picture = strncmp(r->record->path, "/picture/", 9) == 0;
  MHD_add_response_header(response, "Content-Security-Policy",
                          page_policy(r->server->page));
  MHD_add_response_header(response, "Cross-Origin-Resource-Policy",
                          "same-origin");
  MHD_add_response_header(response, "Cross-Origin-Opener-Policy",
                          "same-origin");
  MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
  MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header(response, "X-Frame-Options", "DENY");
  MHD_add_response_header(response, "Cache-Control",
                          is_picture ? "private, max-age=86400" : "no-store");
}

const Operation page_operation = {
  .name = "page",
  .begin = begin,
  .data = take,
  .finish = finish,
  .decorate = decorate,
  .drop = drop,
};
