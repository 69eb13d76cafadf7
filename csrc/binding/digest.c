/* SHA-256 as Lua sees it: bytes or pieces of a file go in, hexadecimal digits
** come out. */

#include "binding/handles.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/digest.h"

#define CHUNK (16 * 1024)

typedef struct DigestBox {
  Digest digest;
  int fd; /* of the file that is read; -1: none */
} DigestBox;

/* sha256() -> an empty digest
** sha256(path) -> one that reads this file; nil, reason */
int l_sha256 (lua_State *L) {
  const char *path = luaL_optstring(L, 1, NULL);
  DigestBox *box = lua_newuserdatauv(L, sizeof *box, 0);
  digest_begin(&box->digest);
  box->fd = -1;
  luaL_setmetatable(L, DIGEST_T);
  if (path == NULL)
    return 1;
  box->fd = open(path, O_RDONLY | O_CLOEXEC);
  return box->fd >= 0 ? 1 : pushfailure(L, errno);
}

static int l_add (lua_State *L) {
  DigestBox *box = luaL_checkudata(L, 1, DIGEST_T);
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  digest_add(&box->digest, data, size);
  return 0;
}

/* read(offset, most) -> how many bytes of the file went in, fewer at its end;
** nil, reason */
static int l_read (lua_State *L) {
  DigestBox *box = luaL_checkudata(L, 1, DIGEST_T);
  off_t at = (off_t)luaL_checknumber(L, 2);
  size_t left = (size_t)luaL_checknumber(L, 3);
  off_t begin = at;
  char chunk[CHUNK];
  ssize_t n = 1;
  while (left > 0 && n != 0) {
    n = pread(box->fd, chunk, left < sizeof chunk ? left : sizeof chunk, at);
    if (n < 0 && errno != EINTR) {
      return pushfailure(L, errno);
    } else if (n > 0) {
      digest_add(&box->digest, chunk, (size_t)n);
      at += n;
      left -= (size_t)n;
    }
  }
  camb_pushcount(L, at - begin);
  return 1;
}

static int l_close (lua_State *L) {
  DigestBox *box = luaL_checkudata(L, 1, DIGEST_T);
  if (box->fd >= 0)
    close(box->fd);
  box->fd = -1;
  return 0;
}

/* finish() -> 64 digits; resets the digest, without the file */
static int l_finish (lua_State *L) {
  DigestBox *box = luaL_checkudata(L, 1, DIGEST_T);
  unsigned char sum[DIGEST_BYTES];
  char text[DIGEST_HEX];
  digest_end(&box->digest, sum);
  digest_hex(sum, text);
  digest_begin(&box->digest);
  l_close(L);
  lua_pushstring(L, text);
  return 1;
}

static const luaL_Reg methods[] = {{"add", l_add},
                                   {"read", l_read},
                                   {"finish", l_finish},
                                   {"close", l_close},
                                   {NULL, NULL}};

void register_digest (lua_State *L) {
  newtype(L, DIGEST_T, methods, l_close, NULL);
}
