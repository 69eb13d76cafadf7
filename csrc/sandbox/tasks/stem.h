/* Stems: files of finished tasks, given out under signed URLs that expire. */

#ifndef CAMB_SANDBOX_TASKS_STEM_H
#define CAMB_SANDBOX_TASKS_STEM_H

#include "sandbox/http/request.h"
#include "sandbox/http/server.h"
#include "sandbox/tasks/stemhead.h"

/* A fresh URL of a stem, good for the server's url_lifetime; free() it.
** NULL on out of memory. */
char *stem_url (const Server *s, const Task *t, int which);

/* Send the file 'fd', which is taken over: the whole, or what Range asks for. */
enum MHD_Result stem_send (Request *r, int fd, const StemHead *head);

#endif
