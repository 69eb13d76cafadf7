/* The userdata of module camb.core, and what its files share. */

#ifndef CAMB_HANDLES_H
#define CAMB_HANDLES_H

#include "binding/compat.h"
#include "core/partfile.h"
#include "core/transfer.h"

#define SESSION_T "camb.session"
#define TRANSFER_T "camb.transfer"
#define DIGEST_T "camb.digest"
#define PART_T "camb.part"

/* What a transfer's own methods may be called on. */
typedef enum TransferKind {
  KIND_REQUEST,
  KIND_UPLOAD,
  KIND_POLL,
  KIND_DOWNLOAD
} TransferKind;

typedef struct TransferBox {
  Transfer *transfer; /* NULL once closed */
  TransferKind kind;
} TransferBox;

/* Push a closed transfer, to be filled by its caller. */
TransferBox *newtransfer (lua_State *L, TransferKind kind);

/* A part that is open; any other argument raises. */
PartFile *checkpart (lua_State *L, int index);

/* Register the metatables. */
void register_session (lua_State *L);
void register_transfer (lua_State *L);
void register_digest (lua_State *L);
void register_part (lua_State *L);

/* Register a metatable of userdata, with what its __index leads to. */
void newtype (lua_State *L, const char *name, const luaL_Reg *metamethods,
              const luaL_Reg *methods);

/* nil and the system's words for 'error', an errno: the results of a function
** that failed. */
int pushfailure (lua_State *L, int error);

/* Functions of the module. */
int l_session (lua_State *L); /* binding/session.c */
int l_wait (lua_State *L);
int l_sha256 (lua_State *L);              /* binding/digest.c */
extern const luaL_Reg file_functions[];   /* binding/files.c */
extern const luaL_Reg system_functions[]; /* binding/system.c */

#endif
