/* A file that appears under its final name whole or not at all: it is written
** as "<base>.part" and gets its name, with the extension of its content, once
** it is complete and on the disk. */

#ifndef CAMB_PARTFILE_H
#define CAMB_PARTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "format.h"

typedef struct PartFile {
  int fd;      /* -1: not open */
  pid_t owner; /* who opened it */
  bool is_private;
  char *base;
  char *part;
  char *path;     /* the final name, once committed */
  bool was_there; /* it was that of the same bytes before */
  int64_t size;   /* bytes taken, of which the last 'held' are in 'gather' */
  char *gather;   /* NULL before the first byte */
  size_t held;
  unsigned lacks; /* PART_LACKS_… */
} PartFile;

typedef enum PartStatus {
  PART_OK,
  PART_ERROR,   /* errno says why */
  PART_BUSY,    /* another process is writing it */
  PART_EXISTS,  /* when overwriting, a folder */
  PART_FOREIGN, /* the part's name belongs to a foreign file */
  PART_NO_AUDIO /* the first bytes are of no audio format */
} PartStatus;

/* What the file system lacks, which weakens a guarantee. */
enum {
  PART_LACKS_LOCK = 1, /* another process may take the part away */
  PART_LACKS_SYNC = 2, /* a loss of power may leave a named file half written */
  PART_LACKS_LINK = 4  /* a file that appears just then is replaced */
};

/* Bring a file to the disk.  0: it is there; 1: nothing can be synced on its file
** system; -1, with errno: it could not be written. */
int sync_file (int fd);

/* Hold nothing; for every 'p' before anything else. */
void partfile_clear (PartFile *p);

/* Create "<base>.part", empty, and lock it.  An existing file of that name is
** replaced only if camb left it.  PART_ERROR also if there is no permission to
** give it its final name.  'p' is cleared first, and must be closed in any
** case. */
PartStatus partfile_open (PartFile *p, const char *base);

/* A file in TMPDIR that only this user may read, and which is gone once it is
** closed or the process has ended. */
PartStatus partfile_open_private (PartFile *p);

/* See that the disk has room for a first block, which does not stay.  For a part
** that is just open. */
PartStatus partfile_try (PartFile *p);

/* Append.  Some of it may reach the file, and fail there, only with later
** bytes or in partfile_commit.  PART_NO_AUDIO: none of it was written. */
PartStatus partfile_write (PartFile *p, const void *data, size_t size);

/* True when what was written begins like audio. */
bool partfile_is_audio (const PartFile *p);

/* Discard what was written and start again. */
PartStatus partfile_restart (PartFile *p);

/* Sync it and give it its final name.  Files of that name, with the extension of
** any format, are replaced only when 'overwrite'; one of the same bytes is kept.
** Closed afterwards, and 'path' is set.  A private one stays open, and gets no
** other name. */
PartStatus partfile_commit (PartFile *p, bool overwrite);

/* Close it, and remove it if it was not committed; a child of fork leaves its
** parent's file where it is.  Frees what 'p' holds; safe when nothing is
** open. */
void partfile_close (PartFile *p);

#endif
