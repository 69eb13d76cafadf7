/* A source, accepted or rejected. */

#ifndef CAMB_ENGINE_SOURCE_H
#define CAMB_ENGINE_SOURCE_H

#include "engine/decode.h"
#include "engine/engine.h"

/* Open 'path' for decoding, within the limits of 'options'.  NULL: see
** 'fault'. */
Decoder *source_open (const char *path, const EngineOptions *options,
                      Fault *fault);

/* Check 'path' before it is opened: -1 if it is not a regular file, or larger
** than 'options' allow.  Call it before FFmpeg opens 'path' in any other way
** than by source_open: it keeps FFmpeg from writing to stderr. */
int source_check (const char *path, const EngineOptions *options, Fault *fault);

/* The options to use if the caller gave NULL. */
const EngineOptions *source_options (const EngineOptions *options);

/* Fill 'report' from 'd', and with 'samples'. */
void source_describe (const Decoder *d, int64_t samples, EngineReport *report);

/* Fill 'report' with a failure.  Always returns -1. */
int source_fail (const Fault *fault, EngineReport *report);

#endif
