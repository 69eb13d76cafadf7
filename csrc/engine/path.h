/* The best path of the lead's pitch through all frames (Viterbi). */

#ifndef CAMB_ENGINE_PATH_H
#define CAMB_ENGINE_PATH_H

#include <stdint.h>

#include "engine/salience.h"

/* For each of 'n' rows of CANDIDATES saliences one candidate, so that the sum
** of saliences less the cost of the steps between them is greatest.  'from'
** is room for n * CANDIDATES. */
void path_find (const float *salience, int n, uint8_t *from, uint8_t *path);

#endif
