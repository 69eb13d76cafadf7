/* How much each candidate for the lead's pitch stands out, frame by frame:
** harmonic summation (Salamon, Gomez, Melody extraction from polyphonic music
** signals, IEEE TASLP 2012) less the energy half-way between the harmonics,
** which a pitch an octave too low would collect. */

#ifndef CAMB_ENGINE_SALIENCE_H
#define CAMB_ENGINE_SALIENCE_H

#include "engine/lanes.h"

enum {
  CANDIDATES = 228,    /* 70 Hz to 972 Hz, 60 to the octave */
  SALIENCE_BINS = 464, /* of the grid: below 5 kHz */
};

typedef struct Salience Salience;

/* NULL without memory. */
Salience *salience_open (void);
void salience_close (Salience *s);

/* The pitch of a candidate in Hz. */
float salience_hz (int candidate);

/* Four frames' magnitudes, one per lane, to the salience of all candidates. */
void salience_of (const Salience *s, const Lanes *magnitude, Lanes *salience);

#endif
