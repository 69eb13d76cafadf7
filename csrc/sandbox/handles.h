/* What the files of module camb.sandbox.core share: each adds its part to the
** module that binding.c opens. */

#ifndef CAMB_SANDBOX_HANDLES_H
#define CAMB_SANDBOX_HANDLES_H

#include "binding/compat.h"

/* Not server.h: its Fault is one of HTTP, and audio.c needs the engine's. */
struct Server;
struct PageOptions;

/* The server that is the first argument; binding.c. */
struct Server *checkserver (lua_State *L);

/* Register a type of userdata, which 'gc' frees; binding.c. */
void settype (lua_State *L, const char *type, lua_CFunction gc);

/* Add functions on recordings, for camb.audio, to the table on top of the stack,
** and their types to the registry; audio.c. */
void audio_register (lua_State *L);

/* Read the field 'page' of the table at 1 into 'o'; its strings live as long as
** that.  live.c. */
void live_read (lua_State *L, struct PageOptions *o);

/* Add the functions of the page, and of what it shows of a server's tasks, to
** the table on top of the stack; live.c. */
void live_register (lua_State *L);

/* metrics(host, port) -> an object that answers GET /metrics, with put(text),
** port(), close(); nil, reason.  Its type has to be registered.  metrics.c. */
int l_metrics (lua_State *L);
void metrics_register (lua_State *L);

#endif
