/* Gaussian smoothing of one value per frame. */

#ifndef CAMB_ENGINE_SMOOTH_H
#define CAMB_ENGINE_SMOOTH_H

/* out = 'in' smoothed with a deviation of 'sigma' (at most 2) frames; the
** signal is mirrored at its ends.  'in' and 'out' must not overlap. */
void smooth_gaussian (const float *in, float *out, int n, double sigma);

#endif
