/* Why a separation failed: the service's reason and one sentence for a
** person.  Each thread of a separation fills its own; the first one counts. */

#ifndef CAMB_ENGINE_FAULT_H
#define CAMB_ENGINE_FAULT_H

typedef struct Fault {
  const char *reason; /* static; NULL as long as nothing has failed */
  char message[256];
} Fault;

#define FAULT_TYPE "SOURCE_TYPE_NOT_SUPPORTED"
#define FAULT_DATA "INVALID_SOURCE_DATA"
#define FAULT_EXTENSION "CONTENT_DOES_NOT_MATCH_EXTENSION"
#define FAULT_SILENT_VIDEO "VIDEO_DOES_NOT_HAVE_AUDIO_STREAMS"
#define FAULT_LONG "SOURCE_TOO_LONG"
#define FAULT_LARGE "SOURCE_TOO_LARGE"
#define FAULT_PROCESSING "PROCESSING_ERROR"
#define FAULT_INTERNAL "INTERNAL_ERROR"

/* Note what failed, in printf's words.  Always returns -1. */
__attribute__((format(printf, 3, 4))) int
fault_set (Fault *fault, const char *reason, const char *format, ...);

/* The same with FFmpeg's (or the system's) words for 'code' after 'what'.  If
** memory ran out, that is the fault, whatever 'reason' says. */
int fault_code (Fault *fault, const char *reason, const char *what, int code);

/* Memory ran out.  Always returns -1. */
int fault_memory (Fault *fault);

#endif
