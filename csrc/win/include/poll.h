#ifndef CAMB_WIN_POLL_H
#define CAMB_WIN_POLL_H

typedef unsigned nfds_t;
int poll (struct pollfd *fds, nfds_t count, int ms);

#endif
