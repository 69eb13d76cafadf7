/* The threads of one separation: one decodes, some make masks, and the
** caller's own writes.  Segments pass through in order and every figure that
** one hands to the next does too, so the number of threads changes nothing in
** the stems. */

#ifndef CAMB_ENGINE_PIPELINE_H
#define CAMB_ENGINE_PIPELINE_H

#include <stdatomic.h>

#include "engine/decode.h"
#include "engine/fault.h"
#include "engine/writer.h"

/* Read 'd' to its end and write both stems with 'workers' threads for the
** masks.  Returns 0 or -1.  Blocks; leaves no thread behind. */
int pipeline_run (Decoder *d, Writer *w, int workers, const atomic_bool *cancel,
                  Fault *fault);

#endif
