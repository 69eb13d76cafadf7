/* Requests for memory that can be refused.  Every request of an armed kind is
** counted; the nth of them, and as many after it as was said, get nothing. */

#ifndef CAMB_TORTURE_ALLOCATE_H
#define CAMB_TORTURE_ALLOCATE_H

#include <stdbool.h>
#include <stddef.h>

/* Who asks: the tortured Lua state, camb.core, libcurl, the sandbox module,
** also when it asks a library. */
enum { FROM_LUA = 1, FROM_CORE = 2, FROM_CURL = 4, FROM_SANDBOX = 8 };

/* Let libcurl ask here; before it is used. */
bool allocate_hook (void);

/* Where camb.sandbox.core lies in memory; all other wrapped calls come from
** camb.core.  False while it is not loaded. */
bool allocate_find_sandbox (void);

/* Refuse requests 'nth' to 'nth' + 'run' - 1 of 'kinds' from now on; with 'nth'
** 0 every first try, which Lua answers by a full collection and a second. */
void allocate_arm (unsigned kinds, long nth, long run);

/* The end of that: how many were counted. */
long allocate_disarm (void);

/* Blocks of camb.core, or of libcurl, that were not freed yet. */
long allocate_live (unsigned kind);

/* A lua_Alloc. */
void *allocate_lua (void *unused, void *block, size_t before, size_t after);

#endif
