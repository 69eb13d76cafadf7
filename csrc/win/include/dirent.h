#ifndef CAMB_WIN_DIRENT_H
#define CAMB_WIN_DIRENT_H

#define DT_UNKNOWN 0
#define DT_DIR 4
#define DT_REG 8
#define AT_SYMLINK_NOFOLLOW 0

struct dirent {
  unsigned char d_type;
  char d_name[3 * 260]; /* UTF-8 of what FindFirstFileW gives */
};

int scandir (const char *path, struct dirent ***list,
             int (*filter)(const struct dirent *),
             int (*compare)(const struct dirent **, const struct dirent **));
int fstatat (int folder, const char *name, struct camb_stat *info, int flags);

#endif
