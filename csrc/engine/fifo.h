/* The mixture on its way from the decoder to the writer: a queue of samples
** between two threads.  It grows as it must; the pipeline bounds it. */

#ifndef CAMB_ENGINE_FIFO_H
#define CAMB_ENGINE_FIFO_H

#include <stdint.h>

#include "engine/format.h"

typedef struct Fifo Fifo;

/* NULL without memory. */
Fifo *fifo_open (const Format *format);
void fifo_close (Fifo *f);

/* Append 'n' samples per channel, interleaved.  Returns -1 without memory. */
int fifo_push (Fifo *f, const int32_t *samples, int n);

/* Take up to 'n' samples per channel from the front; returns how many. */
int fifo_pull (Fifo *f, int32_t *samples, int n);

/* How many were ever pushed, per channel. */
int64_t fifo_total (Fifo *f);

#endif
