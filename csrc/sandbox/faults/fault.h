/* Faults to inject: a list, each for some of the requests to come.  A fault is
** a script of bytes in place of a reply, or says how the real reply of a stem
** is altered. */

#ifndef CAMB_SANDBOX_FAULTS_FAULT_H
#define CAMB_SANDBOX_FAULTS_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/http/operation.h"

/* When a fault strikes. */
typedef enum Moment {
  AT_HEADERS, /* before anything is looked at, the body unread */
  AT_BODY,    /* after some bytes of the body, at the latest at its end */
  AT_REQUEST, /* the request is whole, nothing was done */
  AT_ACCEPTED /* the operation went well, its reply is replaced */
} Moment;

/* What happens to the connection after the script. */
typedef enum Ending { END_CLOSE, END_RESET, END_HANG } Ending;

#define WITHOUT_END UINT64_MAX

/* Bytes of a script, written 'count' times in a row. */
typedef struct Piece {
  char *bytes; /* NULL: an HTTP date 'ahead' seconds from the moment on */
  size_t n;
  int64_t ahead;
  uint64_t count; /* or WITHOUT_END */
  size_t chunk;   /* after this many bytes there is a delay; 0: after all n */
  double delay;   /* seconds */
} Piece;

/* Once in a list, it does not change, apart from what the list guards. */
typedef struct Fault {
  atomic_int references;
  struct Fault *next;         /* guarded: the next in the list */
  bool listed;                /* guarded: it is in the list */
  uint64_t skip, times, away; /* guarded: to let pass, to strike, taken */
  const Operation *step;
  char *path; /* must stand in the request's path; NULL: any will do */
  Moment at;
  uint64_t after; /* AT_BODY: after this many bytes of it */
  int status;     /* for the log; 0: none is sent */
  Ending ending;
  int64_t cut;           /* of a stem: break off after this many; -1: do not */
  char *etag;            /* of a stem: say so; NULL: the real one */
  bool changed, corrupt; /* of a stem: other bytes, announced or not */
  bool alters;           /* there is no script: the above is meant */
  size_t count;
  Piece pieces[];
} Fault;

typedef struct Faults Faults;

/* An empty fault with one reference and room for 'count' pieces; the strings
** put into it are its own.  NULL on out of memory. */
Fault *fault_new (size_t count);

/* Give up one reference.  NULL is fine. */
void fault_release (Fault *f);

/* An empty list.  NULL on out of memory. */
Faults *faults_new (void);

/* Append 'f', taking over the caller's reference. */
void faults_add (Faults *list, Fault *f);

/* Forget all of them; those already striking continue. */
void faults_clear (Faults *list);

/* The fault that strikes a request, with a reference; NULL for none.  Each must
** be handed to faults_settle. */
Fault *faults_take (Faults *list, const Operation *step, const char *path);

/* It struck, or did not and waits for the next request.  Gives up the
** reference that faults_take gave. */
void faults_settle (Faults *list, Fault *f, bool struck);

/* NULL is fine. */
void faults_free (Faults *list);

#endif
