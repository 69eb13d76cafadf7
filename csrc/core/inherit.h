/* Programs that the host starts inherit its descriptors, unless each is marked
** as the process's own.  libcurl marks none, so it is done for it. */

#ifndef CAMB_INHERIT_H
#define CAMB_INHERIT_H

/* As socket(2), but no child process inherits it. */
int inherit_socket (int domain, int type, int protocol);

/* Close what inherit_socket opened. */
int inherit_close (int fd);

/* No child process inherits 'fd' or, if it is one end of a socketpair that was
** just made, the other end.  A number that is not open is ignored. */
void inherit_not (int fd);

/* The number that the next descriptor of this process will have, -1: none. */
int inherit_next (void);

#endif
