/* The page that a server shows at "/": its items, who watches them, and what
** was dropped on it.  The program publishes items from its own thread; browsers
** read them in the listener's. */

#ifndef CAMB_SANDBOX_PAGE_PAGE_H
#define CAMB_SANDBOX_PAGE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

#include "sandbox/page/dropped.h"
#include "sandbox/page/painter.h"

#define PAGE_TRACKS 3

typedef struct Page Page;
typedef struct Watcher Watcher;

typedef struct PageOptions {
  const char *html;   /* NULL: there is no page */
  const char *policy; /* its Content-Security-Policy */
  const char *folder; /* where dropped files go; NULL: into the data folder */
  bool is_alone;      /* there is no API beside it, and no data folder */
} PageOptions;

/* The names of the tracks in paths, in the order of page_put. */
extern const char *const page_tracks[PAGE_TRACKS];

/* A page; its strings are copied.  'folder' is where dropped files go.  NULL if
** there is no memory or no thread. */
Page *page_start (const PageOptions *o, const char *folder);

const char *page_html (const Page *p);
const char *page_policy (const Page *p);
const char *page_folder (const Page *p);
Painter *page_painter (const Page *p);

/* Publish the item 'id', from 1 on, one more than there are at most: 'json', on
** one line, and the paths of its tracks, NULL for those that are not there.
** All is copied.  False on out of memory. */
bool page_put (Page *p, size_t id, const char *json,
               const char *const paths[PAGE_TRACKS]);

/* The path of a track in fresh memory; NULL when there is none. */
char *page_path (Page *p, size_t id, size_t track);

/* Stream all items and their changes as server-sent events; the response is the
** caller's.  NULL if too many streams are open, or on out of memory. */
struct MHD_Response *page_watch (Page *p, struct MHD_Connection *c);

/* Whether one more file may arrive: each that did has to be ended by
** page_add_dropped, or by page_lose_dropped. */
bool page_expect_dropped (Page *p);
void page_lose_dropped (Page *p);
void page_add_dropped (Page *p, Dropped *d);

/* The file that has waited longest, then the caller's; NULL when none does. */
Dropped *page_take_dropped (Page *p);

/* End the wait of every connection.  Twice is fine, and so is NULL. */
void page_stop (Page *p);

/* Stop and free, with the files that were not taken.  NULL is fine. */
void page_free (Page *p);

#endif
