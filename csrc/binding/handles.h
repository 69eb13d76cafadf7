/* The userdata of module camb.core, and what its files share. */

#ifndef CAMB_HANDLES_H
#define CAMB_HANDLES_H

#include <signal.h>
#include <stdbool.h>

#include "binding/compat.h"
#include "core/partfile.h"
#include "core/transfer.h"

#define SESSION_T "camb.session"
#define TRANSFER_T "camb.transfer"
#define DIGEST_T "camb.digest"
#define PART_T "camb.part"
#define WATCHDOG_T "camb.watchdog"

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
  int data; /* reference to the string that an upload sends, or LUA_NOREF */
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
void register_watchdog (lua_State *L);

/* Register a type of userdata.  'close' takes a value that is closed already,
** as it runs when the value is collected, too; 'tostring' may be NULL. */
void newtype (lua_State *L, const char *name, const luaL_Reg *methods,
              lua_CFunction close, lua_CFunction tostring);

/* nil and the system's words for 'error', an errno: the results of a function
** that failed. */
int pushfailure (lua_State *L, int error);

/* The number of the signal that the command has caught; 0: none so far. */
const volatile sig_atomic_t *caught_signal (void); /* binding/system.c */

/* Functions of the module. */
int l_session (lua_State *L); /* binding/session.c */
int l_wait (lua_State *L);
int l_sha256 (lua_State *L);              /* binding/digest.c */
int l_watchdog (lua_State *L);            /* binding/watchdog.c */
extern const luaL_Reg file_functions[];   /* binding/files.c */
extern const luaL_Reg path_functions[];   /* binding/paths.c */
extern const luaL_Reg system_functions[]; /* binding/system.c */

#endif
