/* The memory of a segment. */

#include "engine/segment.h"

#include <libavutil/mem.h>

int segment_open (Segment *s) {
  s->data = av_malloc_array(SEGMENT_ROOM, sizeof *s->data);
  s->coherence =
    av_calloc((size_t)SEGMENT_BLOCKS * 2 * GRID_BINS, sizeof *s->coherence);
  return s->data != NULL && s->coherence != NULL ? 0 : -1;
}

void segment_close (Segment *s) {
  av_freep(&s->data);
  av_freep(&s->coherence);
}
