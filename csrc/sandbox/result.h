/* Where the stems of a run are. */

#ifndef CAMB_SANDBOX_RESULT_H
#define CAMB_SANDBOX_RESULT_H

#include <jansson.h>

#include "sandbox/server.h"

/* {"foreground_audio_url": …, "background_audio_url": …} with fresh URLs;
** NULL when there is no such run. */
json_t *result_urls (Server *s, int64_t run_id);

#endif
