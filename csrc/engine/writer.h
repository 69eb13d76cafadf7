/* The end of the line: masks and mixture come in, two FLAC files go out. */

#ifndef CAMB_ENGINE_WRITER_H
#define CAMB_ENGINE_WRITER_H

#include "engine/fifo.h"
#include "engine/fault.h"
#include "engine/format.h"
#include "engine/segment.h"

typedef struct Writer Writer;

/* Create both files.  NULL: see 'fault'; what was created stays behind. */
Writer *writer_open (const char *foreground, const char *background,
                     const Format *format, Fault *fault);

/* Write all that the next segment, in order, completes.  Takes the mixture
** from 'mixture' and changes the mask in place.  Returns 0 or -1. */
int writer_add (Writer *w, Segment *s, Fifo *mixture, Fault *fault);

/* After the last segment: complete both files.  Returns 0 or -1. */
int writer_finish (Writer *w, Fault *fault);

/* Samples written to each stem, per channel. */
int64_t writer_count (const Writer *w);

void writer_close (Writer *w);

#endif
