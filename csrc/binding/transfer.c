/* Transfers as Lua sees them: read their outcome, and close them. */

#include "binding/handles.h"

#include "binding/fields.h"
#include "core/request.h"
#include "core/digest.h"
#include "core/download.h"
#include "core/partfile.h"
#include "core/upload.h"

TransferBox *newtransfer (lua_State *L, TransferKind kind) {
  TransferBox *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->transfer = NULL;
  box->kind = kind;
  box->data = LUA_NOREF;
  luaL_setmetatable(L, TRANSFER_T);
  return box;
}

static Transfer *checkopen (lua_State *L) {
  TransferBox *box = luaL_checkudata(L, 1, TRANSFER_T);
  luaL_argcheck(L, box->transfer != NULL, 1, "transfer is closed");
  return box->transfer;
}

static Transfer *checkkind (lua_State *L, TransferKind kind) {
  Transfer *t = checkopen(L);
  const TransferBox *box = lua_touserdata(L, 1);
  luaL_argcheck(L, box->kind == kind, 1, "not for this kind of transfer");
  return t;
}

static int l_id (lua_State *L) {
  camb_pushcount(L, (long long)transfer_id(checkopen(L)));
  return 1;
}

static const char *const failure_names[] = {
  [FAILURE_HTTP] = "http",
  [FAILURE_NETWORK] = "network",
  [FAILURE_PROXY] = "proxy",
  [FAILURE_TIMEOUT] = "timeout",
  [FAILURE_ATTEMPTS] = "attempts",
  [FAILURE_PROTOCOL] = "protocol",
  [FAILURE_UNKNOWN_OUTCOME] = "unknown_outcome",
  [FAILURE_FILE] = "file",
  [FAILURE_SOURCE] = "source",
  [FAILURE_CANCELLED] = "cancelled",
  [FAILURE_MEMORY] = "memory",
};

/* failure() -> nil, or a table as the Failure of core/transfer.h: kind,
** message, http_status?, retry_after? in seconds, sent_away, exists, path? */
static int l_failure (lua_State *L) {
  const Failure *f = transfer_failure(checkopen(L));
  if (f->kind == FAILURE_NONE)
    return 0;
  lua_createtable(L, 0, 7);
  set_string(L, "kind", failure_names[f->kind]);
  set_string(L, "message", f->message != NULL ? f->message : "out of memory");
  if (f->http_status != 0)
    set_count(L, "http_status", f->http_status);
  if (f->retry_after_s >= 0)
    set_count(L, "retry_after", f->retry_after_s);
  set_boolean(L, "sent_away", f->sent_away);
  set_boolean(L, "exists", f->exists);
  set_string(L, "path", f->path);
  return 1;
}

static int l_body (lua_State *L) {
  size_t size;
  const char *body = transfer_body(checkopen(L), &size);
  lua_pushlstring(L, body != NULL ? body : "", size);
  return 1;
}

static int l_status (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)transfer_status(checkopen(L)));
  return 1;
}

/* Milliseconds as seconds; what is unknown is left out. */
static void setms (lua_State *L, const char *name, int ms) {
  if (ms >= 0)
    set_number(L, name, (double)ms / 1000);
}

/* connection() -> a table as the Connection of core/transfer.h: name, tcp, tls
** in seconds, untrusted, proxy_status, address, date */
static int l_connection (lua_State *L) {
  const Connection *c = transfer_connection(checkopen(L));
  lua_createtable(L, 0, 7);
  setms(L, "name", c->name_ms);
  setms(L, "tcp", c->tcp_ms);
  setms(L, "tls", c->tls_ms);
  set_boolean(L, "untrusted", c->untrusted);
  set_count(L, "proxy_status", c->proxy_status);
  set_string(L, "address", c->address);
  set_string(L, "date", c->date);
  return 1;
}

static int l_url (lua_State *L) {
  lua_pushstring(L, transfer_url(checkopen(L)));
  return 1;
}

static int l_attempts (lua_State *L) {
  lua_pushinteger(L, transfer_attempts(checkopen(L)));
  return 1;
}

/* path() -> the path of the finished file; true if it was there before */
static int l_path (lua_State *L) {
  const Transfer *t = checkkind(L, KIND_DOWNLOAD);
  lua_pushstring(L, download_path(t));
  lua_pushboolean(L, download_was_there(t));
  return 2;
}

static int l_disposition (lua_State *L) {
  lua_pushstring(L, transfer_disposition(checkopen(L)));
  return 1;
}

static int l_bytes (lua_State *L) {
  Transfer *t = checkkind(L, KIND_DOWNLOAD);
  camb_pushcount(L, download_bytes(t));
  return 1;
}

/* Seconds, or nothing below 0. */
static int pushpause (lua_State *L, int64_t ms) {
  if (ms < 0)
    return 0;
  lua_pushnumber(L, (lua_Number)ms / 1000);
  return 1;
}

/* continue(url) -> seconds until it resumes; nil: it cannot */
static int l_continue (lua_State *L) {
  Transfer *t = checkkind(L, KIND_DOWNLOAD);
  return pushpause(L, download_continue(t, luaL_checkstring(L, 2)));
}

static int l_is_held (lua_State *L) {
  lua_pushboolean(L, download_is_held(checkkind(L, KIND_DOWNLOAD)));
  return 1;
}

/* keep() -> whether the held file is given its final name, of which another
** event "done" tells; else see failure() */
static int l_keep (lua_State *L) {
  lua_pushboolean(L, download_keep(checkkind(L, KIND_DOWNLOAD)) == 0);
  return 1;
}

/* restart() -> seconds until the download starts again; nil: it does not */
static int l_restart (lua_State *L) {
  return pushpause(L, download_again(checkkind(L, KIND_DOWNLOAD)));
}

/* Seconds of sound; nil: not known */
static int l_duration (lua_State *L) {
  double seconds = download_duration(checkkind(L, KIND_DOWNLOAD));
  if (seconds < 0)
    return 0;
  lua_pushnumber(L, seconds);
  return 1;
}

/* lacks() -> whether its file system has no locks, no sync, no rename without
** replacing */
static int l_lacks (lua_State *L) {
  unsigned lacks = download_lacks(checkkind(L, KIND_DOWNLOAD));
  lua_pushboolean(L, (lacks & PART_LACKS_LOCK) != 0);
  lua_pushboolean(L, (lacks & PART_LACKS_SYNC) != 0);
  lua_pushboolean(L, (lacks & PART_LACKS_LINK) != 0);
  return 3;
}

/* Seconds until a request with an unusable reply is repeated; nil: it is
** not. */
static int l_again (lua_State *L) {
  return pushpause(L, request_again(checkkind(L, KIND_REQUEST)));
}

/* sha256() -> hexadecimal digits of all that was sent, or received; nil unless
** `hash` was set */
static int l_sha256_of (lua_State *L) {
  const TransferBox *box = luaL_checkudata(L, 1, TRANSFER_T);
  const unsigned char *sum;
  char text[DIGEST_HEX];
  if (box->kind == KIND_UPLOAD) {
    lua_pushstring(L, upload_sha256(checkopen(L)));
    return 1;
  }
  sum = download_sha256(checkkind(L, KIND_DOWNLOAD));
  if (sum == NULL)
    return 0;
  digest_hex(sum, text);
  lua_pushstring(L, text);
  return 1;
}

/* head() -> ETag of the last reply to a request, "" without one; its
** Content-Length, if it had one */
static int l_head (lua_State *L) {
  Transfer *t = checkkind(L, KIND_REQUEST);
  lua_pushstring(L, request_etag(t));
  if (request_length(t) < 0)
    return 1;
  camb_pushcount(L, request_length(t));
  return 2;
}

static int l_feed (lua_State *L) {
  Transfer *t = checkkind(L, KIND_UPLOAD);
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  lua_pushboolean(L, upload_feed(t, data, size) == 0);
  return 1;
}

/* is_sent() -> whether the service may have accepted the upload */
static int l_is_sent (lua_State *L) {
  lua_pushboolean(L, upload_is_sent(checkkind(L, KIND_UPLOAD)));
  return 1;
}

/* has_begun() -> whether anything of the upload may be on its way, or it ended */
static int l_has_begun (lua_State *L) {
  lua_pushboolean(L, upload_has_begun(checkkind(L, KIND_UPLOAD)));
  return 1;
}

/* named() -> the headers Location and Task-Id of the reply to an upload, ""
** without one */
static int l_named (lua_State *L) {
  Transfer *t = checkkind(L, KIND_UPLOAD);
  lua_pushstring(L, upload_location(t));
  lua_pushstring(L, upload_task_id(t));
  return 2;
}

static int l_close (lua_State *L) {
  TransferBox *box = luaL_checkudata(L, 1, TRANSFER_T);
  Transfer *t = box->transfer;
  box->transfer = NULL;
  transfer_close(t);
  luaL_unref(L, LUA_REGISTRYINDEX, box->data);
  box->data = LUA_NOREF;
  return 0;
}

static int l_tostring (lua_State *L) {
  static const char *const names[] = {"request", "upload", "poll", "download"};
  const TransferBox *box = luaL_checkudata(L, 1, TRANSFER_T);
  lua_pushfstring(L, "camb.transfer (%s%s)", names[box->kind],
                  box->transfer == NULL ? ", closed" : "");
  return 1;
}

static const luaL_Reg methods[] = {{"id", l_id},
                                   {"failure", l_failure},
                                   {"body", l_body},
                                   {"status", l_status},
                                   {"url", l_url},
                                   {"attempts", l_attempts},
                                   {"connection", l_connection},
                                   {"path", l_path},
                                   {"bytes", l_bytes},
                                   {"disposition", l_disposition},
                                   {"sha256", l_sha256_of},
                                   {"lacks", l_lacks},
                                   {"is_held", l_is_held},
                                   {"keep", l_keep},
                                   {"restart", l_restart},
                                   {"duration", l_duration},
                                   {"continue", l_continue},
                                   {"again", l_again},
                                   {"head", l_head},
                                   {"feed", l_feed},
                                   {"is_sent", l_is_sent},
                                   {"has_begun", l_has_begun},
                                   {"named", l_named},
                                   {"close", l_close},
                                   {NULL, NULL}};

void register_transfer (lua_State *L) {
  newtype(L, TRANSFER_T, methods, l_close, l_tostring);
}
