/* Frames of any sample format become interleaved integers. */

#ifndef CAMB_ENGINE_SAMPLES_H
#define CAMB_ENGINE_SAMPLES_H

#include <stdint.h>

#include <libavutil/frame.h>

/* Write all channels of 'frame' to 'out', as integers of 16 or 24 bits; see
** engine/decode.h for how.  Returns how many were beyond full scale. */
int64_t samples_of_frame (const AVFrame *frame, int bits, int32_t *out);

#endif
