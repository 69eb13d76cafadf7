/* A file that is arriving: written to a folder of its own and digested as the
** bytes come, so memory does not grow with its size. */

#ifndef CAMB_SANDBOX_HTTP_UPLOAD_H
#define CAMB_SANDBOX_HTTP_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/http/secret.h"
#include "sandbox/store.h"

typedef struct Upload Upload;

/* A new file in a fresh upload folder of 'store'.  Of 'file_name' only a
** short alphanumeric extension reaches the disk.  NULL and errno. */
Upload *upload_open (Store *store, const char *file_name);

/* Append 'n' bytes.  False and errno on failure. */
bool upload_write (Upload *u, const void *bytes, size_t n);

/* No more bytes will come: close the file and make the digest. */
bool upload_finish (Upload *u);

/* Of a finished upload: its bytes, and their SHA-256 in hex. */
int64_t upload_size (const Upload *u);
const char *upload_sha256 (const Upload *u);

/* The name of its file within its folder, and that folder's path. */
const char *upload_input (const Upload *u);
const char *upload_folder (const Upload *u);

/* Free; with 'keep' the folder stays, else it is removed.  NULL is fine. */
void upload_free (Upload *u, bool keep);

#endif
