#ifndef CAMB_WIN_STATVFS_H
#define CAMB_WIN_STATVFS_H

struct statvfs {
  unsigned long long f_frsize, f_bavail;
};
int statvfs (const char *path, struct statvfs *info);

#endif
