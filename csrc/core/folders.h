/* Recordings that folders held when they were listed last, a moment ago: names
** that were not among them need not be looked for one by one.  What another
** program has put there since is not seen, so whoever then writes must still
** refuse to replace a file. */

#ifndef CAMB_FOLDERS_H
#define CAMB_FOLDERS_H

#include <stdbool.h>

typedef struct Folders Folders;

/* NULL when there is no memory. */
Folders *folders_open (void);

/* NULL does nothing. */
void folders_close (Folders *f);

/* Which of "<base>.<extension>" may exist: a bit for each index of format_at.
** All of them when 'base' was asked about before (it may have been written
** since), when its folder cannot be listed, or memory is out; 'own' is the
** index of one that is known to exist, -1: none: all, too, when that is newer
** than the listing. */
unsigned folders_likely (Folders *f, const char *base, int own);

#endif
