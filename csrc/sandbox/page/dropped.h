/* Files that were dropped on the page: they arrive in a folder, and wait there
** for the program to take them. */

#ifndef CAMB_SANDBOX_PAGE_DROPPED_H
#define CAMB_SANDBOX_PAGE_DROPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Dropped {
  int fd;     /* -1: not open */
  char *path; /* a fresh name in the folder */
  char *name; /* as the browser has it */
  uint64_t size;
  struct Dropped *next;
} Dropped;

/* A new file in 'folder', which is made if it is missing; 'name' is copied.
** NULL and errno on failure. */
Dropped *dropped_open (const char *folder, const char *name);

/* Append 'n' bytes.  False and errno on failure. */
bool dropped_write (Dropped *d, const char *bytes, size_t n);

/* No more bytes will come.  False and errno on failure. */
bool dropped_finish (Dropped *d);

/* Free; the file goes as well unless it is kept.  NULL is fine. */
void dropped_free (Dropped *d, bool keep);

#endif
