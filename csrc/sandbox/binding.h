/* What the files of the Lua face share. */

#ifndef CAMB_SANDBOX_BINDING_H
#define CAMB_SANDBOX_BINDING_H

#include "binding/compat.h"

#include "sandbox/server.h"

/* The server at 'i'; raises for anything else. */
Server *binding_server (lua_State *L, int i);

/* core.fault(server, compiled): append a fault, as camb.sandbox.faults makes
** it.  server:clear_faults() forgets all of them. */
int l_fault (lua_State *L);
int l_clear_faults (lua_State *L);

/* core.gzip_bomb(size): head, unit, count, tail. */
int l_gzip_bomb (lua_State *L);

/* Make the metatable of the box that a fault is built in. */
void binding_open_faults (lua_State *L);

#endif
