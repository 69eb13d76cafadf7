/* A source, let in or refused. */

#ifndef CAMB_ENGINE_SOURCE_H
#define CAMB_ENGINE_SOURCE_H

#include "engine/decode.h"
#include "engine/engine.h"

/* Open 'path' for decoding, within the limits of 'options'.  NULL: see
** 'fault'. */
Decoder *source_open (const char *path, const EngineOptions *options,
                      Fault *fault);

/* What can be said of 'path' before it is opened: -1 where it is no regular
** file, or larger than 'options' allow.  Call it before FFmpeg opens 'path'
** otherwise than by source_open: it keeps FFmpeg from talking to stderr. */
int source_check (const char *path, const EngineOptions *options, Fault *fault);

/* The options to use where a caller gave NULL. */
const EngineOptions *source_options (const EngineOptions *options);

/* Fill 'report' with what 'd' has been, and 'samples'. */
void source_describe (const Decoder *d, int64_t samples, EngineReport *report);

/* Fill 'report' with a failure.  Always returns -1. */
int source_fail (const Fault *fault, EngineReport *report);

#endif
