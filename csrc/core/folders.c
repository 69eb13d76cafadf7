/* A set of hashes.  Two names of one hash only cost a look at the disk. */

#include "folders.h"

#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "format.h"

#define LISTED_MS 1000 /* for how long a listing is good */
#define SHARE 100      /* of the time may go into listing large folders */
#define ALL (~0u)

/* What a hash stands for, beside formats by their index. */
enum { FOLDER = 64, ASKED };

typedef struct Slot {
  uint64_t hash; /* 0: free */
  int64_t until; /* of a folder: list it again then */
} Slot;

struct Folders {
  Slot *slots;
  size_t count, capacity; /* a power of two */
};

Folders *folders_open (void) {
  return calloc(1, sizeof(Folders));
}

void folders_close (Folders *f) {
  if (f != NULL)
    free(f->slots);
  free(f);
}

/* FNV-1a.  There are file systems to which "a.WAV" is "a.wav". */
static uint64_t add (uint64_t hash, const char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    hash = (hash ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 0x100000001b3u;
  }
  return hash;
}

static uint64_t begin (const char *text, size_t size) {
  return add(0xcbf29ce484222325u, text, size);
}

static uint64_t as (uint64_t hash, int what) {
  hash = (hash ^ (uint64_t)(what + 1)) * 0x9e3779b97f4a7c15u;
  hash ^= hash >> 32;
  return hash != 0 ? hash : 1;
}

/* Where 'hash' is, or would be.  There is always a free slot. */
static Slot *find (const Folders *f, uint64_t hash) {
  size_t mask = f->capacity - 1, at = hash & mask;
  while (f->slots[at].hash != 0 && f->slots[at].hash != hash)
    at = (at + 1) & mask;
  return &f->slots[at];
}

static bool has (const Folders *f, uint64_t hash) {
  return f->count != 0 && find(f, hash)->hash == hash;
}

static int grow (Folders *f) {
  Folders larger = {NULL, f->count, f->capacity != 0 ? 2 * f->capacity : 256};
  larger.slots = calloc(larger.capacity, sizeof *larger.slots);
  if (larger.slots == NULL)
    return -1;
  for (size_t i = 0; i < f->capacity; i++)
    if (f->slots[i].hash != 0)
      *find(&larger, f->slots[i].hash) = f->slots[i];
  free(f->slots);
  *f = larger;
  return 0;
}

static Slot *put (Folders *f, uint64_t hash) {
  Slot *slot;
  if (2 * f->count >= f->capacity && grow(f) != 0)
    return NULL;
  slot = find(f, hash);
  f->count += slot->hash == 0;
  slot->hash = hash;
  return slot;
}

static int put_name (Folders *f, uint64_t folder, const char *name) {
  const char *dot = strrchr(name, '.');
  const Format *format;
  if (dot == NULL)
    return 0;
  for (int i = 0; (format = format_at((size_t)i)) != NULL; i++)
    if (strcasecmp(dot + 1, format->extension) == 0)
      return put(f, as(add(folder, name, (size_t)(dot - name)), i)) != NULL
               ? 0
               : -1;
  return 0;
}

static int put_names (Folders *f, uint64_t hash, const char *path) {
  DIR *folder = opendir(path[0] != '\0' ? path : ".");
  struct dirent *entry;
  int status = 0;
  if (folder == NULL)
    return -1;
  while (status == 0 && (entry = readdir(folder)) != NULL)
    status = put_name(f, hash, entry->d_name);
  closedir(folder);
  return status;
}

/* Names of before stay: that they may exist is all that is said. */
static int list (Folders *f, uint64_t hash, const char *base, size_t size) {
  int64_t now = clock_ms(), took;
  Slot *slot = put(f, as(hash, FOLDER));
  char *path;
  int status;
  if (slot == NULL || slot->until > now)
    return slot == NULL ? -1 : 0;
  path = strndup(base, size);
  status = path != NULL ? put_names(f, hash, path) : -1;
  free(path);
  took = clock_ms() - now;
  if (status == 0) /* the slots may have moved */
    find(f, as(hash, FOLDER))->until =
      now + (took * SHARE > LISTED_MS ? took * SHARE : LISTED_MS);
  return status;
}

unsigned folders_likely (Folders *f, const char *base, int own) {
  const char *slash = strrchr(base, '/');
  size_t folder = slash != NULL ? (size_t)(slash + 1 - base) : 0;
  uint64_t hash = begin(base, folder), name;
  unsigned likely = 0;
  if (list(f, hash, base, folder) != 0)
    return ALL;
  name = add(hash, base + folder, strlen(base + folder));
  if (own >= 0 ? !has(f, as(name, own)) : has(f, as(name, ASKED)))
    return ALL;
  for (int i = 0; format_at((size_t)i) != NULL; i++)
    if (has(f, as(name, i)))
      likely |= 1u << i;
  return own >= 0 || put(f, as(name, ASKED)) != NULL ? likely : ALL;
}
