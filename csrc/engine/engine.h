/* The built-in separation engine: a mixture becomes two stems, foreground
** (voice, lead) and background (everything else).  It knows no HTTP and no
** Lua.  One call handles one file; calls may run in several threads at once. */

#ifndef CAMB_ENGINE_H
#define CAMB_ENGINE_H

#include <stdatomic.h>
#include <stdint.h>

#define FOREGROUND 0
#define BACKGROUND 1

/* "foreground" and "background". */
extern const char *const stem_names[2];

typedef struct EngineOptions {
  int workers;               /* threads for one file; below 1 means 1 */
  const atomic_bool *cancel; /* looked at between segments; may be NULL */
  double max_seconds;        /* a longer source is refused; 0: no limit */
  int64_t max_bytes;         /* a larger file is refused; 0: no limit */
  int plain; /* compute as on a processor without AVX2, for benches */
} EngineOptions;

typedef struct EngineReport {
  const char *reason; /* static exception_reason of the service's list, such
                       ** as "INVALID_SOURCE_DATA"; NULL when it went well */
  char message[256];  /* one sentence for a person; "" when there is none */
  int rate;           /* Hz, of the input and of both stems */
  int channels;       /* of the input and of both stems */
  int bits;           /* bits per sample of the stems: 16 or 24 */
  int64_t samples;    /* per channel, of the input and of both stems */
} EngineReport;

/* Separate the audio file 'input' into two FLAC files.  Returns 0 and fills
** 'report', or -1 with 'reason' and 'message' set and neither file left
** behind.  foreground + background == mixture, sample by sample.  Blocks. */
int engine_separate (const char *input, const char *foreground,
                     const char *background, const EngineOptions *options,
                     EngineReport *report);

/* Decode all of 'path', within the limits of 'options', and write nothing.
** Returns 0 and fills 'report' (its message says what is damaged), or -1 with
** the reason and message of a refusal.  Blocks. */
int engine_check (const char *path, const EngineOptions *options,
                  EngineReport *report);

/* Make two FLAC files of a mixture and of what another separator takes for its
** voices: those, brought to the mixture's rate, channels and width, and the
** mixture less those.  They sum to the mixture, sample by sample.  Returns and
** blocks like engine_separate; PROCESSING_ERROR if the two do not belong
** together. */
int engine_complement (const char *mixture, const char *estimate,
                       const char *foreground, const char *background,
                       const EngineOptions *options, EngineReport *report);

#endif
