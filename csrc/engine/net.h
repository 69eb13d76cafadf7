/* The network: from a segment's energies to its masks.
**
** Bands of bins are encoded each by its own matrix; what all bands say goes
** through a trunk of convolutions over time; what the trunk says goes to each
** band, which decodes its own bins once more; where all that is around a frame
** speaks against a lead, its masks close.  No frame's masks depend on any
** frame more than some seconds away.  spec/bench/weights trains it. */

#ifndef CAMB_ENGINE_NET_H
#define CAMB_ENGINE_NET_H

#include <stddef.h>
#include <stdint.h>

#include "engine/fault.h"
#include "engine/spectra.h"

typedef struct Net Net;

/* The built-in weights, trained by spec/bench/weights; weights.c. */
extern const uint8_t weights_begin[], weights_end[];

/* Take the 'size' bytes of a weights file.  'plain': compute as on a processor
** without AVX2.  NULL: see 'fault'.  Several threads may run one Net. */
Net *net_open (const uint8_t *bytes, size_t size, int plain, Fault *fault);
void net_close (Net *n);

/* What a thread that runs one needs; 5 MB.  NULL without memory. */
typedef struct Room Room;
Room *net_room (void);
void net_leave (Room *r);

/* Of each frame, to the first two planes of a row of GRID_ROW floats of
** 'masks': the shares of the lead in what lies along its direction and in what
** lies across it, 0 to 1.  Uses up the rows of 's': the masks may lie where
** these do, from one row before them on. */
void net_run (const Net *n, Room *room, Spectra *s, float *masks);

#endif
