/* The thread that looks at recordings while the page's requests for pictures
** wait, suspended. */

#ifndef CAMB_SANDBOX_PAGE_PAINTER_H
#define CAMB_SANDBOX_PAGE_PAINTER_H

#include <microhttpd.h>

typedef struct Painter Painter;
typedef struct Painting Painting;

/* Start the thread, which calls 'tick(context)' every few seconds.  NULL if it
** cannot be started. */
Painter *painter_start (void (*tick)(void *context), void *context);

/* Suspend 'c' until the picture of the recording at 'path' is there.  NULL on
** out of memory, or when the painter has stopped: 'c' is not suspended. */
Painting *painter_ask (Painter *p, struct MHD_Connection *c, const char *path);

/* After that: the picture as JSON, or what is wrong with the recording.  The
** caller's to free; NULL on out of memory. */
char *painting_take (Painting *x);

/* NULL is fine. */
void painting_free (Painting *x);

/* End the thread; suspended connections are resumed.  Twice is fine, and so is
** NULL. */
void painter_stop (Painter *p);

/* Stop and free.  NULL is fine. */
void painter_free (Painter *p);

#endif
