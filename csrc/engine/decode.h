/* Reads the best audio track of any file that FFmpeg knows, as interleaved
** integers: the exact mixture that the two stems will sum to.
**
** Width: 16 bits for 8- and 16-bit sources and for lossy ones (their noise is
** far above 16 bits), 24 for wider integers and for lossless floats.  The
** conversion is FFmpeg's own (floats rounded to nearest and clipped, wider
** integers cut), so `ffmpeg -c:a pcm_s16le` or `pcm_s24le` gives the same. */

#ifndef CAMB_ENGINE_DECODE_H
#define CAMB_ENGINE_DECODE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/fault.h"
#include "engine/format.h"

typedef struct Decoder Decoder;

/* Open 'path' and decode as far as the first sample.  NULL: see 'fault'.
** Only this one file is ever read, whatever a playlist inside it names. */
Decoder *decoder_open (const char *path, const atomic_bool *cancel,
                       Fault *fault);

/* Owned by 'd'; does not change while the file is read. */
const Format *decoder_format (const Decoder *d);

/* Refuse a source of more than 'seconds': at once, returning -1, if it states
** its length, else once decoder_read has come that far. */
int decoder_limit (Decoder *d, double seconds, Fault *fault);

/* Before the first read: give samples of this rate and width, whatever the
** file's own are. */
void decoder_convert (Decoder *d, int rate, int bits);

/* The next samples, valid until the next call.  Returns their number per
** channel, 0 at the end, -1 for a fault (never for damage inside the file:
** what can be decoded is decoded). */
int decoder_read (Decoder *d, const int32_t **samples, Fault *fault);

/* After the end: one sentence on what was missing, damaged or clipped, or
** "". */
void decoder_remark (const Decoder *d, char *message, size_t size);

void decoder_close (Decoder *d);

#endif
