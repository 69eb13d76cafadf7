#ifndef CAMB_WIN_IOCTL_H
#define CAMB_WIN_IOCTL_H

#define TIOCGWINSZ 1
struct winsize {
  unsigned short ws_row, ws_col;
};
int ioctl (int fd, int request, struct winsize *size);

#endif
