/* Where the stems of a run are. */

#ifndef CAMB_SANDBOX_TASKS_RESULT_H
#define CAMB_SANDBOX_TASKS_RESULT_H

#include <jansson.h>

#include "sandbox/http/server.h"

/* True when there is such a run. */
bool result_is_known (Server *s, int64_t run_id);

/* {"foreground_audio_url": …, "background_audio_url": …} with fresh URLs, for a
** run that is known; NULL when there is no memory. */
json_t *result_urls (Server *s, int64_t run_id);

#endif
