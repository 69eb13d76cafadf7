#ifndef CAMB_WIN_FNMATCH_H
#define CAMB_WIN_FNMATCH_H

#define FNM_NOMATCH 1
#define FNM_PERIOD 4
int fnmatch (const char *pattern, const char *name, int flags);

#endif
