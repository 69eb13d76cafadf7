/* What the files of this folder share. */

#ifndef CAMB_WIN_PORT_PRIVATE_H
#define CAMB_WIN_PORT_PRIVATE_H

#include <stdbool.h>
#include <wchar.h>

/* The longest path that is asked for, in UTF-16. */
#define WIDE_PATH 4096

/* UTF-8 as UTF-16, freed by the caller; NULL with errno. */
wchar_t *wide (const char *text);

/* The reverse into 'to', which has room for so many bytes; false when it has
** not. */
bool narrow (const wchar_t *text, char *to, size_t room);

/* -1, and errno by what Windows says. */
int fail (void);

#endif
