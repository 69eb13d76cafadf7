/* Makes text of unknown origin fit to be shown. */

#ifndef CAMB_ENGINE_SANITIZE_H
#define CAMB_ENGINE_SANITIZE_H

#include <stddef.h>

/* Rewrite 'n' bytes in place as UTF-8 on one line: control characters and
** blanks become one space, invalid UTF-8 is removed, and so is a character that
** is cut off at the beginning.  Returns the new length, never more than 'n'. */
size_t sanitize_text (char *text, size_t n);

#endif
