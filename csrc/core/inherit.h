/* Programs that the host starts inherit its descriptors, unless each is marked
** as the process's own.  libcurl marks none, so it is done for it. */

#ifndef CAMB_INHERIT_H
#define CAMB_INHERIT_H

/* As socket(2), and nobody inherits it. */
int inherit_socket (int domain, int type, int protocol);

/* Nobody inherits 'fd' nor, where it is one end of a socketpair that was just
** made, the other end.  What is no open descriptor is passed by. */
void inherit_not (int fd);

/* The number that the next descriptor of this process will have, -1: none. */
int inherit_next (void);

#endif
