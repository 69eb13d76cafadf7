/* Reading the fields of an options table, and writing those of a result.  The
** options were checked in Lua, for people; here a wrong type is a bug of ours
** and raises "field 'x': …". */

#ifndef CAMB_FIELDS_H
#define CAMB_FIELDS_H

#include "binding/compat.h"

#include <stdbool.h>
#include <stdint.h>

/* String field 'name' of the table at 'index', without NULs; owned by Lua for
** as long as the table holds it.  NULL when it is nil. */
const char *field_string (lua_State *L, int index, const char *name);

/* The same, of any bytes. */
const char *field_bytes (lua_State *L, int index, const char *name,
                         size_t *size);

/* Numbers, with what stands for nil.  Seconds become milliseconds. */
int64_t field_integer (lua_State *L, int index, const char *name,
                       int64_t other);
int64_t field_ms (lua_State *L, int index, const char *name, int64_t other);
double field_number (lua_State *L, int index, const char *name, double other);
bool field_boolean (lua_State *L, int index, const char *name);

/* An array of strings as a NULL-ended C array.  It is pushed as a userdata and
** has to stay on the stack while it is used.  NULL, and nil pushed, for nil. */
const char **field_strings (lua_State *L, int index, const char *name);

/* Set field 'name' of the table on top of the stack; NULL sets none. */
void set_string (lua_State *L, const char *name, const char *text);
void set_boolean (lua_State *L, const char *name, bool value);
void set_count (lua_State *L, const char *name, int64_t n);
void set_number (lua_State *L, const char *name, double n);

#endif
