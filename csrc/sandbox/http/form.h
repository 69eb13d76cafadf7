/* A multipart form as it arrives: the file part media_file goes to the disk,
** the other fields into the request's record. */

#ifndef CAMB_SANDBOX_HTTP_FORM_H
#define CAMB_SANDBOX_HTTP_FORM_H

#include "sandbox/http/request.h"
#include "sandbox/http/upload.h"

typedef struct Form Form;

typedef enum FormFault {
  FORM_FINE,
  FORM_TOO_LARGE, /* the whole, or one field of it */
  FORM_MALFORMED, /* not multipart as it should be, or cut */
  FORM_NOT_STORED /* it could not be written */
} FormFault;

/* A form for the body of 'r', whose record it fills.  A body of another type
** is a form without fields.  NULL on out of memory. */
Form *form_new (Request *r);

/* More bytes of the body. */
void form_data (Form *f, const char *bytes, size_t n);

/* Abandon the form for that reason (the first one counts) and remove what was
** stored; further bytes are ignored. */
void form_refuse (Form *f, FormFault why);

/* The body is complete.  Returns what is wrong with it, if anything. */
FormFault form_finish (Form *f);

/* The file of a finished form, owned by it; NULL when none came. */
Upload *form_upload (const Form *f);

/* The last value of a field, in fresh memory; NULL when it did not come. */
char *form_value (const Form *f, const char *name);

/* The file now belongs to a task. */
void form_keep (Form *f);

/* Free; a file that was not kept is removed.  NULL is fine. */
void form_free (Form *f);

#endif
