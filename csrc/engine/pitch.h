/* What pitch_apply works with; see analysis.h. */

#ifndef CAMB_ENGINE_PITCH_H
#define CAMB_ENGINE_PITCH_H

typedef struct Pitch Pitch;

/* NULL without memory. */
Pitch *pitch_open (void);
void pitch_close (Pitch *p);

#endif
