/* Looking at recordings, for camb.audio: functions of camb.sandbox.core. */

#ifndef CAMB_SANDBOX_AUDIO_H
#define CAMB_SANDBOX_AUDIO_H

#include "binding/compat.h"

/* Add them to the table on top of the stack, and their types to the registry. */
void audio_register (lua_State *L);

#endif
