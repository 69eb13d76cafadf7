/* Uploads on their way to the disk. */

#include "sandbox/http/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libavutil/mem.h>
#include <libavutil/sha.h>

#include "engine/files.h"

#define EXTENSION_MAX 8

struct Upload {
  int fd;
  char *folder;
  char input[16 + EXTENSION_MAX];
  struct AVSHA *sha;
  int64_t size;
  char sha256[DIGEST_HEX];
};

static bool is_alnum (char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z');
}

/* The engine picks its demuxer by content and extension together; nothing
** else of a name that a client chose is worth the risk. */
static void name_input (char *out, size_t size, const char *file_name) {
  const char *dot = strrchr(file_name, '.');
  size_t n = 0;
  while (dot != NULL && is_alnum(dot[1 + n]))
    n++;
  if (n == 0 || n > EXTENSION_MAX || dot[1 + n] != '\0')
    snprintf(out, size, "input");
  else
    snprintf(out, size, "input.%s", dot + 1);
  for (char *p = out; *p != '\0'; p++)
    if (*p >= 'A' && *p <= 'Z')
      *p = (char)(*p - 'A' + 'a');
}

static bool open_file (Upload *u) {
  char *path = files_join(u->folder, u->input);
  if (path != NULL)
    u->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  free(path);
  return u->fd >= 0;
}

Upload *upload_open (Store *store, const char *file_name) {
  Upload *u = calloc(1, sizeof *u);
  if (u == NULL)
    return NULL;
  u->fd = -1;
  name_input(u->input, sizeof u->input, file_name);
  u->folder = store_upload_folder(store);
  u->sha = av_sha_alloc();
  if (u->folder != NULL && u->sha != NULL && av_sha_init(u->sha, 256) == 0 &&
      open_file(u))
    return u;
  upload_free(u, false);
  return NULL;
}

bool upload_write (Upload *u, const void *bytes, size_t n) {
  if (files_write(u->fd, bytes, n) != 0)
    return false;
  av_sha_update(u->sha, bytes, n);
  u->size += (int64_t)n;
  return true;
}

bool upload_finish (Upload *u) {
  uint8_t digest[DIGEST_BYTES];
  int fd = u->fd;
  av_sha_final(u->sha, digest);
  secret_hex(u->sha256, digest, sizeof digest);
  u->fd = -1;
  return close(fd) == 0;
}

int64_t upload_size (const Upload *u) {
  return u->size;
}

const char *upload_sha256 (const Upload *u) {
  return u->sha256;
}

const char *upload_input (const Upload *u) {
  return u->input;
}

const char *upload_folder (const Upload *u) {
  return u->folder;
}

void upload_free (Upload *u, bool keep) {
  if (u == NULL)
    return;
  if (u->fd >= 0)
    close(u->fd);
  if (u->folder != NULL && !keep)
    files_remove_tree(u->folder);
  free(u->folder);
  av_free(u->sha);
  free(u);
}
