#ifndef CAMB_WIN_FILE_H
#define CAMB_WIN_FILE_H

#define LOCK_EX 2
#define LOCK_NB 4
int flock (int fd, int operation);

#endif
