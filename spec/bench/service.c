/* service: the service's API as cheap as can be, for benches of many jobs, in
** which it must not be the limit.  Tasks are numbers that count their polls;
** stems are the same bytes for everybody, at a second origin.
**
** Prints "api PORT stems PORT" and serves until its input ends; then one line
** of what it saw. */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <microhttpd.h>

#define MOST_TASKS (4 << 20)
#define FIRST_POLLS 5
#define MOST_IDS 4096 /* of one request for many runs */

static const char usage[] = "usage: service POLLS STEM_BYTES\n"
                            "POLLS: how often a task is PENDING; -1: always\n";

static struct {
  int polls;
  int stems_port;
  char *stem;
  size_t stem_size;
  unsigned char *polled; /* by task */
  float *polled_at;      /* seconds since the start; where all is pending */
  float soonest, latest; /* interval between two polls of a task */
  long intervals, off;   /* and how many were a tenth of a second off */
  long tasks, status, results, downloads, connections, others;
} service;

static enum MHD_Result answer (struct MHD_Connection *c, unsigned status,
                               const char *body, size_t size,
                               enum MHD_ResponseMemoryMode mode) {
  enum MHD_Result queued;
  struct MHD_Response *r =
    MHD_create_response_from_buffer(size, (void *)body, mode);
  queued = MHD_queue_response(c, status, r);
  MHD_destroy_response(r);
  return queued;
}

static enum MHD_Result answer_text (struct MHD_Connection *c, unsigned status,
                                    const char *body) {
  return answer(c, status, body, strlen(body), MHD_RESPMEM_MUST_COPY);
}

static int urls_of (char *out, size_t room, long run) {
  return snprintf(out, room,
                  "{\"foreground_audio_url\": "
                  "\"http://127.0.0.1:%d/f/%ld.wav?sign=0123456789abcdef\", "
                  "\"background_audio_url\": "
                  "\"http://127.0.0.1:%d/b/%ld.wav?sign=0123456789abcdef\"}",
                  service.stems_port, run, service.stems_port, run);
}

static float seconds (void) {
  static double begun;
  struct timespec t;
  double now;
  clock_gettime(CLOCK_MONOTONIC, &t);
  now = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
  if (begun == 0)
    begun = now - 1;
  return (float)(now - begun);
}

/* A client may begin with shorter intervals, so the first ones do not count. */
static void note_interval (long task) {
  float now = seconds(), interval = now - service.polled_at[task];
  service.polled_at[task] = now;
  if (service.polled[task] < FIRST_POLLS) {
    service.polled[task]++;
    return;
  }
  service.intervals++;
  if (service.intervals == 1 || interval < service.soonest)
    service.soonest = interval;
  if (interval > service.latest)
    service.latest = interval;
  if (interval < 0.9F || interval > 1.1F)
    service.off++;
}

static enum MHD_Result tell_status (struct MHD_Connection *c, long task) {
  char body[160];
  service.status++;
  if (task < 0 || task >= MOST_TASKS)
    return answer_text(c, 404, "{\"detail\": \"Task not found\"}");
  if (service.polls < 0)
    note_interval(task);
  if (service.polls < 0 || service.polled[task]++ < service.polls)
    return answer_text(c, 200,
                       "{\"status\": \"PENDING\", \"run_id\": null, "
                       "\"exception_reason\": null, \"message\": null}");
  snprintf(body, sizeof body,
           "{\"status\": \"SUCCESS\", \"run_id\": %ld, "
           "\"exception_reason\": null, \"message\": null}",
           task + 1);
  return answer_text(c, 200, body);
}

static enum MHD_Result tell_result (struct MHD_Connection *c, long run) {
  char body[320];
  service.results++;
  urls_of(body, sizeof body, run);
  return answer_text(c, 200, body);
}

/* One request's state; for many runs it keeps the body, which is small. */
typedef struct Asked {
  size_t size;
  char body[];
} Asked;

#define BODY_ROOM (MOST_IDS * 12)

static enum MHD_Result tell_results (struct MHD_Connection *c, Asked *asked) {
  size_t room = MOST_IDS * 280, size = 1;
  char *at = asked->body, *out = malloc(room);
  enum MHD_Result queued;
  if (out == NULL)
    return MHD_NO;
  service.results++;
  asked->body[asked->size] = '\0';
  out[0] = '{';
  at = strchr(at, '[');
  while (at != NULL && *at != '\0' && *at != ']' && room - size > 400) {
    long run = strtol(at + 1, &at, 10);
    size += (size_t)snprintf(out + size, room - size,
                             "%s\"%ld\": ", size > 1 ? ", " : "", run);
    size += (size_t)urls_of(out + size, room - size, run);
    at += strcspn(at, ",]");
  }
  out[size++] = '}';
  queued = answer(c, 200, out, size, MHD_RESPMEM_MUST_COPY);
  free(out);
  return queued;
}

static bool is_upload (const char *path) {
  return strcmp(path, "/apis/audio-separation") == 0;
}

static bool begins (const char *text, const char *with, const char **rest) {
  size_t n = strlen(with);
  *rest = text + n;
  return strncmp(text, with, n) == 0;
}

static enum MHD_Result create_task (struct MHD_Connection *c) {
  char body[64];
  snprintf(body, sizeof body, "{\"task_id\": \"%ld\"}", service.tasks++);
  return answer_text(c, 200, body);
}

/* An answer before the request was read to its end would cost the connection,
** so nothing is answered at the first call. */
static enum MHD_Result first_call (const char *path, const char *method,
                                   void **state) {
  bool has_body = strcmp(method, "POST") == 0 && !is_upload(path);
  Asked *asked = malloc(sizeof *asked + (has_body ? BODY_ROOM + 1 : 0));
  *state = asked;
  if (asked == NULL)
    return MHD_NO;
  asked->size = 0;
  return MHD_YES;
}

static enum MHD_Result post (struct MHD_Connection *c, const char *path,
                             const char *data, size_t *size, Asked *asked) {
  if (*size == 0)
    return is_upload(path) ? create_task(c) : tell_results(c, asked);
  if (!is_upload(path) && asked->size + *size <= BODY_ROOM) {
    memcpy(asked->body + asked->size, data, *size);
    asked->size += *size;
  }
  *size = 0;
  return MHD_YES;
}

static enum MHD_Result on_api (void *arg, struct MHD_Connection *c,
                               const char *path, const char *method,
                               const char *version, const char *data,
                               size_t *size, void **state) {
  const char *rest;
  (void)arg;
  (void)version;
  if (*state == NULL)
    return first_call(path, method, state);
  if (strcmp(method, "POST") == 0)
    return post(c, path, data, size, *state);
  if (begins(path, "/apis/audio-separation/", &rest))
    return tell_status(c, atol(rest));
  if (begins(path, "/apis/audio-separation-result/", &rest))
    return tell_result(c, atol(rest));
  service.others++;
  return answer_text(c, 404, "{\"detail\": \"Not Found\"}");
}

static enum MHD_Result on_stem (void *arg, struct MHD_Connection *c,
                                const char *path, const char *method,
                                const char *version, const char *data,
                                size_t *size, void **state) {
  (void)arg;
  (void)version;
  (void)data;
  (void)size;
  if (*state == NULL)
    return first_call(path, method, state);
  service.downloads++;
  return answer(c, 200, service.stem, service.stem_size,
                MHD_RESPMEM_PERSISTENT);
}

static void on_completed (void *arg, struct MHD_Connection *c, void **state,
                          enum MHD_RequestTerminationCode code) {
  (void)arg;
  (void)c;
  (void)code;
  free(*state);
}

static void on_connection (void *arg, struct MHD_Connection *c, void **state,
                           enum MHD_ConnectionNotificationCode code) {
  (void)arg;
  (void)c;
  (void)state;
  if (code == MHD_CONNECTION_NOTIFY_STARTED)
    __atomic_add_fetch(&service.connections, 1, __ATOMIC_RELAXED);
}

static struct MHD_Daemon *listen_at (MHD_AccessHandlerCallback handler,
                                     int *port) {
  struct MHD_Daemon *d = MHD_start_daemon(
    MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO, 0, NULL, NULL, handler, NULL,
    MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
    MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL,
    MHD_OPTION_CONNECTION_LIMIT, 1000u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
    (size_t)128 << 10, MHD_OPTION_END);
  if (d == NULL) {
    perror("service");
    exit(1);
  }
  *port = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port;
  return d;
}

/* A WAV file, as far as its first bytes tell. */
static void make_stem (size_t size) {
  service.stem = calloc(1, size + 12);
  service.stem_size = size;
  service.polled = calloc(MOST_TASKS, 1);
  service.polled_at = calloc(MOST_TASKS, sizeof *service.polled_at);
  if (service.stem == NULL || service.polled == NULL ||
      service.polled_at == NULL)
    exit(1);
  memcpy(service.stem, "RIFF\0\0\0\0WAVE", 12);
}

static void print_seen (void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  printf("tasks=%ld status=%ld results=%ld downloads=%ld connections=%ld "
         "others=%ld intervals=%ld off=%ld soonest=%.3f latest=%.3f "
         "cpu=%.3f\n",
         service.tasks, service.status, service.results, service.downloads,
         service.connections, service.others, service.intervals, service.off,
         (double)service.soonest, (double)service.latest,
         (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
}

int main (int count, char **arguments) {
  struct MHD_Daemon *api, *stems;
  int port;
  if (count != 3) {
    fputs(usage, stderr);
    return 2;
  }
  service.polls = atoi(arguments[1]);
  make_stem((size_t)atol(arguments[2]));
  stems = listen_at(on_stem, &service.stems_port);
  api = listen_at(on_api, &port);
  printf("api %d stems %d\n", port, service.stems_port);
  fflush(stdout);
  while (getchar() != EOF)
    ;
  MHD_stop_daemon(api);
  MHD_stop_daemon(stems);
  print_seen();
  return 0;
}
