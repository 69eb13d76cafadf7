/* Gaussian smoothing of one value per frame. */

#include "engine/smooth.h"

#include <math.h>

enum { MAX_RADIUS = 8 };

/* Index 'i' of a signal that is mirrored at both ends, over and over. */
static int mirror (int i, int n) {
  i %= 2 * n;
  if (i < 0)
    i += 2 * n;
  return i < n ? i : 2 * n - 1 - i;
}

void smooth_gaussian (const float *in, float *out, int n, double sigma) {
  double weight[MAX_RADIUS + 1], sum = 0;
  int radius = (int)(4 * sigma + 0.5);
  for (int j = -radius; j <= radius; j++) {
    weight[j < 0 ? -j : j] = exp(-0.5 * j * j / (sigma * sigma));
    sum += weight[j < 0 ? -j : j];
  }
  for (int i = 0; i < n; i++) {
    double value = 0;
    for (int j = -radius; j <= radius; j++)
      value += weight[j < 0 ? -j : j] * in[mirror(i + j, n)];
    out[i] = (float)(value / sum);
  }
}
