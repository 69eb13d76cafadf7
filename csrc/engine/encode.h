/* Writes one stem as FLAC, 16 or 24 bits. */

#ifndef CAMB_ENGINE_ENCODE_H
#define CAMB_ENGINE_ENCODE_H

#include <stdint.h>

#include "engine/fault.h"
#include "engine/format.h"

typedef struct Encoder Encoder;

/* Create (or empty) the file 'path'.  NULL: see 'fault'; an empty file may
** then be left at 'path'. */
Encoder *encoder_open (const char *path, const Format *format, Fault *fault);

/* Add 'n' samples per channel, interleaved.  Returns 0 or -1. */
int encoder_write (Encoder *e, const int32_t *samples, int n, Fault *fault);

/* Write what is left and the header's final figures.  Returns 0 or -1. */
int encoder_finish (Encoder *e, Fault *fault);

/* Close the file, whatever state it is in. */
void encoder_close (Encoder *e);

#endif
