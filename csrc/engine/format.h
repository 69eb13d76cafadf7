/* What a mixture and both of its stems have in common. */

#ifndef CAMB_ENGINE_FORMAT_H
#define CAMB_ENGINE_FORMAT_H

#include <libavutil/channel_layout.h>

enum { MAX_CHANNELS = 8 };

typedef struct Format {
  int rate;     /* Hz */
  int channels; /* 1 to MAX_CHANNELS */
  int bits;     /* 16 or 24: samples are integers of this width */
  AVChannelLayout layout;
} Format;

#endif
