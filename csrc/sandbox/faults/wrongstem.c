/* Real replies about stems, with something wrong in them. */

#include "sandbox/faults/wrongstem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 32768
#define KEPT 12 /* bytes at the beginning that tell the format */

typedef struct Wrong {
  int fd;
  uint64_t first, length, sent; /* 'sent': all of it or the beginning */
  bool other;                   /* not the bytes that are in the file */
} Wrong;

static bool is_made_of_other_bytes (const Fault *f) {
  return f->alters && (f->changed || f->corrupt);
}

/* A change in the open has another ETag, and no digest of before. */
void wrongstem_head (const Fault *f, StemHead *head) {
  char etag[sizeof head->etag];
  if (!f->alters)
    return;
  if (f->changed) {
    snprintf(etag, sizeof etag, "\"changed-%.50s", head->etag + 1);
    memcpy(head->etag, etag, sizeof etag);
    head->digest[0] = '\0';
  }
  if (f->etag != NULL)
    snprintf(head->etag, sizeof head->etag, "%s", f->etag);
}

/* Every byte becomes another one, so no part of the file that was fits to
** one of the file that is. */
static void change (char *bytes, uint64_t at, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (at + i >= KEPT)
      bytes[i] = (char)~bytes[i];
}

static ssize_t on_read (void *context, uint64_t at, char *out, size_t max) {
  const Wrong *w = context;
  ssize_t n;
  if (at >= w->sent)
    return MHD_CONTENT_READER_END_WITH_ERROR;
  if (max > w->sent - at)
    max = (size_t)(w->sent - at);
  n = pread(w->fd, out, max, (off_t)(w->first + at));
  if (n <= 0)
    return MHD_CONTENT_READER_END_WITH_ERROR;
  if (w->other)
    change(out, w->first + at, (size_t)n);
  return n;
}

static void on_free (void *context) {
  Wrong *w = context;
  close(w->fd);
  free(w);
}

struct MHD_Response *wrongstem_respond (const Fault *f, int fd, uint64_t first,
                                        uint64_t length) {
  struct MHD_Response *response = NULL;
  Wrong *w = malloc(sizeof *w);
  if (w != NULL) {
    *w = (Wrong){fd, first, length, length, is_made_of_other_bytes(f)};
    if (f->alters && f->cut >= 0 && (uint64_t)f->cut < length)
      w->sent = (uint64_t)f->cut;
    response =
      MHD_create_response_from_callback(length, BLOCK, on_read, w, on_free);
  }
  if (response == NULL) {
    free(w);
    close(fd);
  }
  return response;
}
