/* Bringing a file to the disk. */

#ifndef CAMB_SYNC_H
#define CAMB_SYNC_H

/* 0: it is there; 1: nothing can be synced on its file system; -1, with errno:
** it could not be written. */
int sync_file (int fd);

#endif
