/* Stems that are not what they should be: cut, changed since the last request,
** or other than their digest says. */

#ifndef CAMB_SANDBOX_FAULTS_WRONGSTEM_H
#define CAMB_SANDBOX_FAULTS_WRONGSTEM_H

#include "sandbox/faults/fault.h"
#include "sandbox/tasks/stemhead.h"

/* Set the headers that 'f' falsifies. */
void wrongstem_head (const Fault *f, StemHead *head);

/* The 'length' bytes from 'first' on, above 0, altered as 'f' says.  Takes over
** 'fd'.  NULL on out of memory. */
struct MHD_Response *wrongstem_respond (const Fault *f, int fd, uint64_t first,
                                        uint64_t length);

#endif
