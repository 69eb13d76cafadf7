/* Folders and small files: made private to the user, replaced whole. */

#ifndef CAMB_ENGINE_FILES_H
#define CAMB_ENGINE_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* "a/b" in fresh memory; NULL when out of it. */
char *files_join (const char *folder, const char *name);

/* A symbolic link to one does not count. */
bool files_is_folder (const char *path);

/* Make 'path' and its missing parents, mode 0700.  -1 and errno on failure; an
** existing folder is not a failure. */
int files_mkdirs (const char *path);

/* Put 'n' bytes under folder/name by way of a temporary name, so that a
** reader sees the old or the new text whole; 'sync' makes it outlive a power
** cut.  -1 and errno on failure. */
int files_replace (const char *folder, const char *name, const void *bytes,
                   size_t n, bool sync);

/* fsync a folder, so that names made in it outlive a power cut. */
int files_sync_folder (const char *path);

/* Remove a folder and all in it, never following a symbolic link. */
void files_remove_tree (const char *path);

/* write(2) until all is written.  -1 and errno on failure. */
int files_write (int fd, const void *bytes, size_t n);

#endif
