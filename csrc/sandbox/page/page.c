/* Items in the order in which they changed last, so that a browser is sent only
** what is new, and only its latest state. */

#include "sandbox/page/page.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "sandbox/http/secret.h"

#define WATCHERS_MAX 64
#define DROPPED_MAX 1000 /* that arrive, or wait to be taken */

#define HELLO "retry: 2000\nevent: run\ndata: %s\n\n"
#define RUN_BYTES 8
#define ALIVE ":\n\n" /* shows whether the browser is still there */
#define BEFORE "data: "
#define BEHIND "\n\n"

const char *const page_tracks[PAGE_TRACKS] = {"mixture", "foreground",
                                              "background"};

typedef struct Item {
  char *json;
  char *paths[PAGE_TRACKS];
  uint64_t version; /* the page's, when it changed last */
  struct Item *older, *newer;
} Item;

/* A browser that reads the events. */
struct Watcher {
  Page *page;
  struct MHD_Connection *connection;
  bool is_suspended, is_due; /* is_due: time to show that the server is alive */
  uint64_t seen;             /* version of what was sent */
  char *text;                /* not yet read; NULL: nothing */
  size_t length, at;
  Watcher *previous, *next;
};

struct Page {
  char *html, *policy, *folder;
  char hello[sizeof HELLO + 2 * RUN_BYTES]; /* tells this run from others */
  Painter *painter;
  pthread_mutex_t mutex; /* of all that follows */
  Item **items;          /* by their ids */
  size_t count, room;
  Item *oldest, *newest;
  uint64_t version;
  Watcher *watchers;
  int watching;
  Dropped *first, *last;
  int dropped; /* that arrive, or wait */
  bool stopping;
};

/* --- items ------------------------------------------------------------- */

static void item_free (Item *i) {
  if (i == NULL)
    return;
  free(i->json);
  for (int t = 0; t < PAGE_TRACKS; t++)
    free(i->paths[t]);
  free(i);
}

static Item *item_new (const char *json, const char *const paths[PAGE_TRACKS]) {
  Item *i = calloc(1, sizeof *i);
  bool ok = i != NULL && (i->json = strdup(json)) != NULL;
  for (int t = 0; ok && t < PAGE_TRACKS; t++)
    ok = paths[t] == NULL || (i->paths[t] = strdup(paths[t])) != NULL;
  if (ok)
    return i;
  item_free(i);
  return NULL;
}

static bool make_room (Page *p, size_t id) {
  size_t room = p->room != 0 ? 2 * p->room : 64;
  Item **grown;
  if (id <= p->room)
    return true;
  grown = realloc(p->items, room * sizeof *grown);
  if (grown == NULL)
    return false;
  p->items = grown;
  p->room = room;
  return true;
}

static void take_out (Page *p, Item *i) {
  *(i->older != NULL ? &i->older->newer : &p->oldest) = i->newer;
  *(i->newer != NULL ? &i->newer->older : &p->newest) = i->older;
}

static void put_last (Page *p, Item *i) {
  i->version = ++p->version;
  i->older = p->newest;
  *(p->newest != NULL ? &p->newest->newer : &p->oldest) = i;
  p->newest = i;
}

static void wake (Watcher *w) {
  if (w->is_suspended)
    MHD_resume_connection(w->connection);
  w->is_suspended = false;
}

static void wake_all (Page *p) {
  for (Watcher *w = p->watchers; w != NULL; w = w->next)
    wake(w);
}

/* An item of that id is replaced. */
static bool put (Page *p, size_t id, Item *i) {
  if (id < 1 || id > p->count + 1 || !make_room(p, id))
    return false;
  if (id <= p->count) {
    take_out(p, p->items[id - 1]);
    item_free(p->items[id - 1]);
  } else
    p->count = id;
  p->items[id - 1] = i;
  put_last(p, i);
  wake_all(p);
  return true;
}

bool page_put (Page *p, size_t id, const char *json,
               const char *const paths[PAGE_TRACKS]) {
  Item *i = item_new(json, paths);
  bool ok;
  if (i == NULL)
    return false;
  pthread_mutex_lock(&p->mutex);
  ok = put(p, id, i);
  pthread_mutex_unlock(&p->mutex);
  if (!ok)
    item_free(i);
  return ok;
}

char *page_path (Page *p, size_t id, size_t track) {
  char *path = NULL;
  pthread_mutex_lock(&p->mutex);
  if (id >= 1 && id <= p->count && p->items[id - 1]->paths[track] != NULL)
    path = strdup(p->items[id - 1]->paths[track]);
  pthread_mutex_unlock(&p->mutex);
  return path;
}

/* --- who watches --------------------------------------------------------- */

static char *append (char *to, const char *text) {
  size_t n = strlen(text);
  memcpy(to, text, n);
  return to + n;
}

/* The items from 'i' on, as events. */
static bool write_events (Watcher *w, const Item *first) {
  size_t n = 0;
  char *at;
  for (const Item *i = first; i != NULL; i = i->newer)
    n += strlen(BEFORE) + strlen(i->json) + strlen(BEHIND);
  w->text = at = malloc(n);
  if (w->text == NULL)
    return false;
  for (const Item *i = first; i != NULL; i = i->newer)
    at = append(append(append(at, BEFORE), i->json), BEHIND);
  w->length = n;
  return true;
}

/* False if there is no memory; without a text there is nothing to send. */
static bool write_news (Watcher *w) {
  Item *first = NULL;
  for (Item *i = w->page->newest; i != NULL && i->version > w->seen;
       i = i->older)
    first = i;
  free(w->text);
  w->text = NULL;
  w->at = 0;
  w->seen = w->page->version;
  if (first != NULL)
    return write_events(w, first);
  if (!w->is_due)
    return true;
  w->text = strdup(ALIVE);
  w->length = strlen(ALIVE);
  return w->text != NULL;
}

static ssize_t read_text (Watcher *w, char *out, size_t max) {
  size_t n = w->length - w->at < max ? w->length - w->at : max;
  memcpy(out, w->text + w->at, n);
  w->at += n;
  return (ssize_t)n;
}

/* The mutex is held meanwhile, so whoever wakes the connection finds it either
** suspended or not yet. */
static ssize_t read_news (Watcher *w, char *out, size_t max) {
  if (w->page->stopping)
    return MHD_CONTENT_READER_END_OF_STREAM;
  if ((w->text == NULL || w->at == w->length) && !write_news(w))
    return MHD_CONTENT_READER_END_WITH_ERROR;
  w->is_due = false;
  if (w->text != NULL)
    return read_text(w, out, max);
  w->is_suspended = true;
  MHD_suspend_connection(w->connection);
  return 0;
}

static ssize_t on_read (void *context, uint64_t at, char *out, size_t max) {
  Watcher *w = context;
  ssize_t n;
  (void)at;
  pthread_mutex_lock(&w->page->mutex);
  n = read_news(w, out, max);
  pthread_mutex_unlock(&w->page->mutex);
  return n;
}

static void forget (void *context) {
  Watcher *w = context;
  Page *p = w->page;
  pthread_mutex_lock(&p->mutex);
  *(w->previous != NULL ? &w->previous->next : &p->watchers) = w->next;
  if (w->next != NULL)
    w->next->previous = w->previous;
  p->watching--;
  pthread_mutex_unlock(&p->mutex);
  free(w->text);
  free(w);
}

static bool enlist (Page *p, Watcher *w) {
  bool ok;
  pthread_mutex_lock(&p->mutex);
  ok = p->watching < WATCHERS_MAX && !p->stopping;
  if (ok) {
    p->watching++;
    w->next = p->watchers;
    if (w->next != NULL)
      w->next->previous = w;
    p->watchers = w;
  }
  pthread_mutex_unlock(&p->mutex);
  return ok;
}

struct MHD_Response *page_watch (Page *p, struct MHD_Connection *c) {
  struct MHD_Response *response;
  Watcher *w = calloc(1, sizeof *w);
  if (w == NULL)
    return NULL;
  w->page = p;
  w->connection = c;
  w->text = strdup(p->hello);
  w->length = strlen(p->hello);
  if (w->text == NULL || !enlist(p, w)) {
    free(w->text);
    free(w);
    return NULL;
  }
  response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, on_read,
                                               w, forget);
  if (response == NULL)
    forget(w);
  return response;
}

static void on_tick (void *context) {
  Page *p = context;
  pthread_mutex_lock(&p->mutex);
  for (Watcher *w = p->watchers; w != NULL; w = w->next)
    w->is_due = true;
  wake_all(p);
  pthread_mutex_unlock(&p->mutex);
}

/* --- what was dropped ------------------------------------------------------ */

bool page_expect_dropped (Page *p) {
  bool ok;
  pthread_mutex_lock(&p->mutex);
  ok = p->dropped < DROPPED_MAX;
  p->dropped += ok;
  pthread_mutex_unlock(&p->mutex);
  return ok;
}

void page_lose_dropped (Page *p) {
  pthread_mutex_lock(&p->mutex);
  p->dropped--;
  pthread_mutex_unlock(&p->mutex);
}

void page_add_dropped (Page *p, Dropped *d) {
  pthread_mutex_lock(&p->mutex);
  *(p->last != NULL ? &p->last->next : &p->first) = d;
  p->last = d;
  pthread_mutex_unlock(&p->mutex);
}

Dropped *page_take_dropped (Page *p) {
  Dropped *d;
  pthread_mutex_lock(&p->mutex);
  d = p->first;
  if (d != NULL) {
    p->dropped--;
    p->first = d->next;
    if (p->first == NULL)
      p->last = NULL;
    d->next = NULL;
  }
  pthread_mutex_unlock(&p->mutex);
  return d;
}

/* --- the whole ------------------------------------------------------------- */

static bool name_run (Page *p) {
  uint8_t bytes[RUN_BYTES];
  char hex[2 * RUN_BYTES + 1];
  if (!secret_random(bytes, sizeof bytes))
    return false;
  secret_hex(hex, bytes, sizeof bytes);
  snprintf(p->hello, sizeof p->hello, HELLO, hex);
  return true;
}

Page *page_start (const PageOptions *o, const char *folder) {
  Page *p = calloc(1, sizeof *p);
  if (p == NULL)
    return NULL;
  pthread_mutex_init(&p->mutex, NULL);
  p->html = strdup(o->html);
  p->policy = strdup(o->policy);
  p->folder = strdup(folder);
  if (p->html != NULL && p->policy != NULL && p->folder != NULL && name_run(p))
    p->painter = painter_start(on_tick, p);
  if (p->painter != NULL)
    return p;
  page_free(p);
  return NULL;
}

const char *page_html (const Page *p) {
  return p->html;
}

const char *page_policy (const Page *p) {
  return p->policy;
}

const char *page_folder (const Page *p) {
  return p->folder;
}

Painter *page_painter (const Page *p) {
  return p->painter;
}

void page_stop (Page *p) {
  if (p == NULL)
    return;
  painter_stop(p->painter);
  pthread_mutex_lock(&p->mutex);
  p->stopping = true;
  wake_all(p);
  pthread_mutex_unlock(&p->mutex);
}

void page_free (Page *p) {
  Dropped *d;
  if (p == NULL)
    return;
  page_stop(p);
  painter_free(p->painter);
  while ((d = page_take_dropped(p)) != NULL)
    dropped_free(d, false);
  for (size_t i = 0; i < p->count; i++)
    item_free(p->items[i]);
  free(p->items);
  free(p->html);
  free(p->policy);
  free(p->folder);
  pthread_mutex_destroy(&p->mutex);
  free(p);
}
