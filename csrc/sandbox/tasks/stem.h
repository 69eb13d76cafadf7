/* Stems: files of finished tasks, given out under signed URLs that expire. */

#ifndef CAMB_SANDBOX_TASKS_STEM_H
#define CAMB_SANDBOX_TASKS_STEM_H

#include "sandbox/http/server.h"

/* A fresh URL of a stem, good for the server's url_lifetime; free() it.
** NULL on out of memory. */
char *stem_url (const Server *s, const Task *t, int which);

#endif
