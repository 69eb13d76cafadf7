/* One thread that writes the scripts of faults to the connections of the
** requests they struck, in place of the HTTP daemon. */

#ifndef CAMB_SANDBOX_FAULTS_PLAYER_H
#define CAMB_SANDBOX_FAULTS_PLAYER_H

#include <stdbool.h>

#include <microhttpd.h>

#include "sandbox/faults/fault.h"

typedef struct Player Player;

/* Start the thread.  NULL and errno on failure. */
Player *player_start (void);

/* Play 'f', of which a reference is taken, on 'c'.  Only from a handler of its
** daemon; the connection is suspended, and once it is resumed nothing that is
** written to it goes anywhere: the handler should return MHD_NO then.  False
** when the player has stopped or memory is out. */
bool player_play (Player *p, struct MHD_Connection *c, Fault *f);

/* End at once what is playing, then the thread.  All connections are resumed
** when this returns, so that their daemons can be stopped.  Idempotent, NULL
** is fine. */
void player_stop (Player *p);

/* Stop and free.  NULL is fine. */
void player_free (Player *p);

#endif
