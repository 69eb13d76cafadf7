/* SHA-256 as Lua sees it: bytes go in piece by piece, hexadecimal digits come
** out. */

#include "binding/handles.h"

#include "core/digest.h"

int l_sha256 (lua_State *L) {
  Digest *d = lua_newuserdatauv(L, sizeof *d, 0);
  digest_begin(d);
  luaL_setmetatable(L, DIGEST_T);
  return 1;
}

static int l_add (lua_State *L) {
  Digest *d = luaL_checkudata(L, 1, DIGEST_T);
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  digest_add(d, data, size);
  return 0;
}

/* finish() -> 64 digits; the digest begins again */
static int l_finish (lua_State *L) {
  Digest *d = luaL_checkudata(L, 1, DIGEST_T);
  unsigned char sum[DIGEST_BYTES];
  char text[DIGEST_HEX];
  digest_end(d, sum);
  digest_hex(sum, text);
  digest_begin(d);
  lua_pushstring(L, text);
  return 1;
}

static const luaL_Reg methods[] = {
  {"add", l_add}, {"finish", l_finish}, {NULL, NULL}};

void register_digest (lua_State *L) {
  luaL_newmetatable(L, DIGEST_T);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
