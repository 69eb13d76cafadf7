/* What csrc/core and csrc/binding ask of POSIX, as Windows has it.  The compiler
** includes this before each of their files; the headers that Windows lacks are in
** include/.  Paths are UTF-8 everywhere. */

#ifndef CAMB_WIN_PORT_H
#define CAMB_WIN_PORT_H

#define WIN32_LEAN_AND_MEAN
#define _WIN32_WINNT 0x0601 /* Windows 7 */

#include <winsock2.h>

#include <ws2tcpip.h>

#include <windows.h>

#include <direct.h>
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <limits.h>
#include <process.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Of UTF-8; Windows' own is that of a short path. */
#undef PATH_MAX
#define PATH_MAX 4096

/* open: what Windows has no word for is what it does anyway. */
#define O_CLOEXEC O_NOINHERIT
#define O_NOFOLLOW 0
#define O_NONBLOCK 0
#define O_NOCTTY 0
#define O_DIRECTORY 0

#ifndef S_IRWXG
#define S_IRWXG 0070
#define S_IRWXO 0007
#endif
#ifndef EDQUOT
#define EDQUOT ENOSPC
#endif

/* Windows' own has no number that tells two files apart. */
struct camb_stat {
  uint64_t st_dev, st_ino;
  unsigned st_mode, st_nlink;
  int64_t st_size;
  struct timespec st_mtim, st_ctim;
};

int camb_open (const char *path, int flags, ...);
int camb_stat (const char *path, struct camb_stat *info);
int camb_lstat (const char *path, struct camb_stat *info);
int camb_fstat (int fd, struct camb_stat *info);
int camb_access (const char *path, int mode);
int camb_mkdir (const char *path, int mode);
int camb_unlink (const char *path);
int camb_link (const char *from, const char *to);
int camb_rename (const char *from, const char *to);
int renameat2 (int from_folder, const char *from, int to_folder, const char *to,
               unsigned flags);
ssize_t camb_readlink (const char *path, char *target, size_t room);
char *realpath (const char *path, char *result);
ssize_t pread (int fd, void *to, size_t size, off_t at);
int camb_ftruncate (int fd, off_t size);
int fsync (int fd);
int mkostemp (char *name, int flags);
char *camb_getenv (const char *name);

#define AT_FDCWD (-100)
#define RENAME_NOREPLACE 1

#undef stat
#undef fstat
#undef ftruncate
#undef lseek
#define open camb_open
#define stat camb_stat
#define lstat camb_lstat
#define fstat camb_fstat
#define access camb_access
#define mkdir camb_mkdir
#define unlink camb_unlink
#define link camb_link
#define rename camb_rename
#define readlink camb_readlink
#define ftruncate camb_ftruncate
#define lseek _lseeki64
#define getenv camb_getenv

/* signals: Windows has two of these, and never sends the others */
#define SIGHUP 1
#define SIGQUIT 3
#define SIGPIPE 13
#define SIGXFSZ 25
#define SA_RESETHAND 1
struct sigaction {
  void (*sa_handler)(int);
  int sa_flags, sa_mask;
};
#define sigemptyset(set) (*(set) = 0)
int sigaction (int number, const struct sigaction *new, struct sigaction *old);
int kill (pid_t process, int number);

#endif
