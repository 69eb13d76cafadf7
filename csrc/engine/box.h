/* Moving average of a plane over a box of bins and frames. */

#ifndef CAMB_ENGINE_BOX_H
#define CAMB_ENGINE_BOX_H

/* out = mean of 'in' over 'bins' x 'span' (both odd, bins at most 9) around
** each point; beyond the edges the nearest values repeat. */
void box_filter (const float *in, float *out, int frames, int bins, int span);

#endif
