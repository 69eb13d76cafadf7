/* Where the lead is between the channels.
**
** Its place is the peak of an energy-weighted histogram of the inter-channel
** angle: Barry, Lawlor, Coyle, Sound source separation: azimuth discrimination
** and resynthesis, DAFx 2004; Avendano, Frequency-domain source identification
** and manipulation in stereo mixes, WASPAA 2003. */

#include <math.h>
#include <stdlib.h>

#include "engine/spectra.h"

/* The bins between 150 Hz and 5 kHz; a bin of the histogram for each degree. */
enum { FIRST = 13, END = 464, ANGLES = 91 };
static const float DEGREE = 0.0174532925F;

/* Every other frame will do. */
enum { EVERY = 2 };

/* Most leads are in the middle: within so many degrees of it, what a direction has
** counts for so much more. */
enum { MIDDLE = 45, NEAR = 4 };
static const double PREFERRED = 1.5;

static void mean_levels (const Spectra *s, float *mean) {
  int count = (s->frames + EVERY - 1) / EVERY;
  for (int t = 0; t < s->frames; t += EVERY)
    for (int k = FIRST; k < END; k++) {
      const float *l = s->rows + (size_t)t * GRID_ROW + k;
      mean[k] += sqrtf((l[0] + fabsf(l[GRID_BINS])) / 2) / (float)count;
    }
}

/* What stands out of its mean, and is not out of phase. */
static void fill (const Spectra *s, const float *mean, double *histogram) {
  for (int t = 0; t < s->frames; t += EVERY)
    for (int k = FIRST; k < END; k++) {
      const float *l = s->rows + (size_t)t * GRID_ROW + k;
      float left = l[0], right = fabsf(l[GRID_BINS]);
      float weight = sqrtf((left + right) / 2) - 1.5F * mean[k];
      if (!(weight > 0) || l[2 * GRID_BINS] < 0)
        continue;
      int degrees = (int)(atan2f(sqrtf(right), sqrtf(left)) / DEGREE + 0.5F);
      histogram[degrees < ANGLES ? degrees : ANGLES - 1] += weight * weight;
    }
}

float pan_angle (const Spectra *s) {
  float mean[END] = {0};
  double histogram[ANGLES] = {0}, most = -1;
  int peak = 0;
  mean_levels(s, mean);
  fill(s, mean, histogram);
  for (int i = 0; i < ANGLES; i++) {
    double below = i > 0 ? histogram[i - 1] : 0;
    double above = i < ANGLES - 1 ? histogram[i + 1] : 0;
    double smooth = 0.25 * below + 0.5 * histogram[i] + 0.25 * above;
    if (abs(i - MIDDLE) <= NEAR)
      smooth *= PREFERRED;
    if (smooth > most) {
      most = smooth;
      peak = i;
    }
  }
  return (float)peak * DEGREE;
}
