/* The counter, and everything that asks it. */

#include "allocate.h"

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <jansson.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/hmac.h>
#include <libavutil/sha.h>
#include <libswresample/swresample.h>
#include <microhttpd.h>

static atomic_uint armed;
static atomic_long counted, first, last;
static atomic_long live_core, live_curl;
static uintptr_t sandbox_from, sandbox_to;

static bool is_in_turn (long n) {
  long from = atomic_load(&first);
  return from == 0 ? n % 2 == 1 : n >= from && n <= atomic_load(&last);
}

static bool refuses (unsigned kind) {
  if (!(atomic_load(&armed) & kind) ||
      !is_in_turn(atomic_fetch_add(&counted, 1) + 1))
    return false;
  errno = ENOMEM;
  return true;
}

void allocate_arm (unsigned kinds, long nth, long run) {
  atomic_store(&counted, 0);
  atomic_store(&first, nth);
  atomic_store(&last, run < LONG_MAX - nth ? nth + run - 1 : LONG_MAX);
  atomic_store(&armed, kinds);
}

long allocate_disarm (void) {
  atomic_store(&armed, 0);
  return atomic_load(&counted);
}

long allocate_live (unsigned kind) {
  return atomic_load(kind == FROM_CORE ? &live_core : &live_curl);
}

/* Only what asks for a new object tries a second time for certain: lauxlib's
** buffers do not. */
static bool refuses_lua (const void *block, size_t before) {
  bool is_object = block == NULL && before != 0;
  return (is_object || atomic_load(&first) != 0) && refuses(FROM_LUA);
}

/* Shrinking must not fail: Lua relies on it. */
void *allocate_lua (void *unused, void *block, size_t before, size_t after) {
  (void)unused;
  if (after == 0) {
    free(block);
    return NULL;
  }
  if ((block == NULL || after > before) && refuses_lua(block, before))
    return NULL;
  return realloc(block, after);
}

static void *born (atomic_long *live, void *block) {
  if (block != NULL)
    atomic_fetch_add(live, 1);
  return block;
}

static void *curl_malloc (size_t size) {
  return refuses(FROM_CURL) ? NULL : born(&live_curl, malloc(size));
}

static void curl_release (void *block) {
  if (block != NULL)
    atomic_fetch_sub(&live_curl, 1);
  free(block);
}

static void *curl_realloc (void *block, size_t size) {
  if (refuses(FROM_CURL))
    return NULL;
  return block != NULL ? realloc(block, size) : born(&live_curl, malloc(size));
}

static char *curl_strdup (const char *text) {
  return refuses(FROM_CURL) ? NULL : born(&live_curl, strdup(text));
}

static void *curl_calloc (size_t count, size_t size) {
  return refuses(FROM_CURL) ? NULL : born(&live_curl, calloc(count, size));
}

bool allocate_hook (void) {
  return curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, curl_release,
                              curl_realloc, curl_strdup,
                              curl_calloc) == CURLE_OK;
}

static int look_at (struct dl_phdr_info *info, size_t size, void *arg) {
  const char *end = strstr(info->dlpi_name, "camb/sandbox/core.so");
  (void)size;
  (void)arg;
  for (int i = 0; end != NULL && i < info->dlpi_phnum; i++) {
    uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    if (info->dlpi_phdr[i].p_type == PT_LOAD &&
        (info->dlpi_phdr[i].p_flags & PF_X)) {
      sandbox_from = at;
      sandbox_to = at + info->dlpi_phdr[i].p_memsz;
    }
  }
  return 0;
}

bool allocate_find_sandbox (void) {
  dl_iterate_phdr(look_at, NULL);
  return sandbox_to != 0;
}

static unsigned asker (const void *from) {
  uintptr_t at = (uintptr_t)from;
  return at >= sandbox_from && at < sandbox_to ? FROM_SANDBOX : FROM_CORE;
}

/* What the linker puts in place of the functions when it makes the modules, by
** --wrap.  Blocks of the sandbox cross to libraries, which free them by
** themselves: only those of camb.core can be counted. */
#define ASKER asker(__builtin_return_address(0))
#define WRAPPED(result, name, parameters, call)                                \
  result __wrap_##name parameters;                                             \
  result __wrap_##name parameters {                                            \
    unsigned kind = ASKER;                                                     \
    if (refuses(kind))                                                         \
      return NULL;                                                             \
    return kind == FROM_CORE ? born(&live_core, call) : call;                  \
  }

WRAPPED(void *, malloc, (size_t size), malloc(size))
WRAPPED(void *, calloc, (size_t count, size_t size), calloc(count, size))
WRAPPED(char *, strdup, (const char *text), strdup(text))
WRAPPED(char *, strndup, (const char *text, size_t n), strndup(text, n))

void *__wrap_realloc (void *block, size_t size);
void *__wrap_realloc (void *block, size_t size) {
  unsigned kind = ASKER;
  if (refuses(kind))
    return NULL;
  if (block == NULL && kind == FROM_CORE)
    return born(&live_core, malloc(size));
  return realloc(block, size);
}

void __wrap_free (void *block);
void __wrap_free (void *block) {
  if (block != NULL && ASKER == FROM_CORE)
    atomic_fetch_sub(&live_core, 1);
  free(block);
}

/* What the sandbox asks of libraries: any of it may be refused as well.  Of
** jansson whole calls fail, and not its own requests: where it has no memory for
** a string that it reads, jansson 2.14 leaves out a letter and goes on. */
#define LENT(result, name, parameters, arguments)                              \
  result __wrap_##name parameters;                                             \
  result __wrap_##name parameters {                                            \
    return refuses(FROM_SANDBOX) ? NULL : name arguments;                      \
  }

LENT(json_t *, json_object, (void), ())
LENT(json_t *, json_array, (void), ())
LENT(json_t *, json_string, (const char *text), (text))
LENT(json_t *, json_stringn, (const char *text, size_t n), (text, n))
LENT(json_t *, json_integer, (json_int_t value), (value))
LENT(json_t *, json_real, (double value), (value))
LENT(char *, json_dumps, (const json_t *value, size_t flags), (value, flags))
LENT(json_t *, json_load_file,
     (const char *path, size_t flags, json_error_t *error),
     (path, flags, error))
LENT(json_t *, json_loadb,
     (const char *text, size_t n, size_t flags, json_error_t *error),
     (text, n, flags, error))

json_t *__wrap_json_pack (const char *format, ...);
json_t *__wrap_json_pack (const char *format, ...) {
  json_t *value;
  va_list arguments;
  va_start(arguments, format);
  value = json_vpack_ex(NULL, 0, format, arguments);
  va_end(arguments);
  if (value != NULL && refuses(FROM_SANDBOX)) {
    json_decref(value); /* with what it took over, as where it fails itself */
    return NULL;
  }
  return value;
}

LENT(void *, av_malloc_array, (size_t n, size_t size), (n, size))
LENT(void *, av_mallocz, (size_t size), (size))
LENT(void *, av_calloc, (size_t n, size_t size), (n, size))
LENT(AVFrame *, av_frame_alloc, (void), ())
LENT(AVPacket *, av_packet_alloc, (void), ())
LENT(struct AVSHA *, av_sha_alloc, (void), ())
LENT(AVHMAC *, av_hmac_alloc, (enum AVHMACType type), (type))
LENT(SwrContext *, swr_alloc, (void), ())
LENT(AVFormatContext *, avformat_alloc_context, (void), ())
LENT(AVCodecContext *, avcodec_alloc_context3, (const AVCodec *codec), (codec))
LENT(AVStream *, avformat_new_stream,
     (AVFormatContext * file, const AVCodec *codec), (file, codec))
LENT(struct MHD_Response *, MHD_create_response_from_buffer,
     (size_t size, void *bytes, enum MHD_ResponseMemoryMode mode),
     (size, bytes, mode))
LENT(struct MHD_Response *, MHD_create_response_from_fd_at_offset64,
     (uint64_t size, int fd, uint64_t offset), (size, fd, offset))
LENT(struct MHD_Response *, MHD_create_response_from_callback,
     (uint64_t size, size_t block, MHD_ContentReaderCallback read, void *arg,
      MHD_ContentReaderFreeCallback release),
     (size, block, read, arg, release))
LENT(struct MHD_PostProcessor *, MHD_create_post_processor,
     (struct MHD_Connection * connection, size_t size,
      MHD_PostDataIterator take, void *arg),
     (connection, size, take, arg))
