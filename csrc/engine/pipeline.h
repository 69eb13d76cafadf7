/* The threads of one separation: one decodes, some make masks, and the
** caller's own writes.  Segments know nothing of each other, so the number of
** threads changes nothing in the stems. */

#ifndef CAMB_ENGINE_PIPELINE_H
#define CAMB_ENGINE_PIPELINE_H

#include "engine/decode.h"
#include "engine/engine.h"
#include "engine/fault.h"
#include "engine/writer.h"

/* Read 'd' to its end and write both stems.  Returns 0 or -1.  Blocks; leaves
** no thread behind. */
int pipeline_run (Decoder *d, Writer *w, const EngineOptions *options,
                  Fault *fault);

#endif
