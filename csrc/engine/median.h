/* Running medians, four signals at a time. */

#ifndef CAMB_ENGINE_MEDIAN_H
#define CAMB_ENGINE_MEDIAN_H

#include "engine/lanes.h"

enum { MEDIAN_MAX = 129 }; /* the widest window */

/* out[i] = median of the 'window' (odd) values around in[i], in each lane by
** itself; beyond the two ends the first and the last value repeat. */
void median_run (const Lanes *in, Lanes *out, int n, int window);

#endif
