/* floor: what many jobs cost on libcurl's multi interface with nothing around
** it: the same requests and the same bytes as camb, no retry, no check.
**
**   floor jobs BASE_URL SOURCES JOBS CONCURRENCY INTERVAL_MS FOLDER
**   floor polls BASE_URL TASKS INTERVAL_MS SECONDS
**
** SOURCES is a folder of 1.wav, 2.wav and so on.  Prints the polls made and the longest lateness of a poll in milliseconds. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#define REPLY_ROOM 1024

typedef enum Step { SUBMIT, POLL, RESULT, FOREGROUND, BACKGROUND } Step;

typedef struct Reply {
  char text[REPLY_ROOM];
  size_t size;
} Reply;

typedef struct Job {
  CURL *easy;
  CURL *second; /* the other stem's */
  curl_mime *mime;
  struct Job *next; /* among those that wait; all wait equally long */
  double due;
  Step step;
  int left; /* stems still to come */
  char task[32];
  long number, run;
  FILE *file, *second_file;
  Reply reply;
} Job;

static struct {
  CURLM *multi;
  struct curl_slist *headers;
  const char *base_url, *sources, *folder;
  double interval, end;
  Job *first, *last; /* that wait */
  long started, jobs, running, polls;
  double late;
} run;

static double now (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail (const char *what) {
  fprintf(stderr, "floor: %s\n", what);
  exit(1);
}

static size_t on_body (char *data, size_t one, size_t size, void *arg) {
  Reply *r = arg;
  (void)one;
  if (r->size + size >= sizeof r->text)
    return 0;
  memcpy(r->text + r->size, data, size);
  r->size += size;
  r->text[r->size] = '\0';
  return size;
}

static CURL *prepare (Job *j, CURL *easy, const char *url) {
  curl_easy_reset(easy);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, j);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  return easy;
}

static void ask (Job *j, Step step, const char *url) {
  prepare(j, j->easy, url);
  j->step = step;
  j->reply.size = 0;
  curl_easy_setopt(j->easy, CURLOPT_HTTPHEADER, run.headers);
  curl_easy_setopt(j->easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(j->easy, CURLOPT_WRITEDATA, &j->reply);
}

static void begin (CURL *easy) {
  if (curl_multi_add_handle(run.multi, easy) != CURLM_OK)
    fail("a transfer cannot begin");
}

static void submit (Job *j) {
  char url[256], path[512];
  curl_mimepart *part;
  j->number = ++run.started;
  snprintf(url, sizeof url, "%s/audio-separation", run.base_url);
  snprintf(path, sizeof path, "%s/%ld.wav", run.sources, j->number);
  ask(j, SUBMIT, url);
  j->mime = curl_mime_init(j->easy);
  part = curl_mime_addpart(j->mime);
  curl_mime_name(part, "media_file");
  curl_mime_filedata(part, path);
  curl_mime_type(part, "audio/wav");
  curl_easy_setopt(j->easy, CURLOPT_MIMEPOST, j->mime);
  begin(j->easy);
}

static void poll_task (Job *j) {
  char url[256];
  snprintf(url, sizeof url, "%s/audio-separation/%s", run.base_url, j->task);
  ask(j, POLL, url);
  run.polls++;
  begin(j->easy);
}

static void get_result (Job *j) {
  char url[256];
  snprintf(url, sizeof url, "%s/audio-separation-result/%ld", run.base_url,
           j->run);
  ask(j, RESULT, url);
  begin(j->easy);
}

/* The string or number behind "name": of a reply. */
static const char *value_of (const char *text, const char *name, char *out,
                             size_t room) {
  const char *at = strstr(text, name);
  size_t n = 0;
  if (at == NULL)
    fail("a reply that was not expected");
  at += strlen(name);
  at += strspn(at, "\": ");
  while (n + 1 < room && at[n] != '\0' && strchr("\",}", at[n]) == NULL)
    n++;
  memcpy(out, at, n);
  out[n] = '\0';
  return out;
}

static FILE *download (Job *j, CURL *easy, const char *stem) {
  char url[256], name[48], path[512];
  FILE *file;
  snprintf(name, sizeof name, "%s_audio_url", stem);
  value_of(j->reply.text, name, url, sizeof url);
  snprintf(path, sizeof path, "%s/%ld.%s.wav", run.folder, j->number, stem);
  file = fopen(path, "wb");
  if (file == NULL)
    fail("a stem cannot be written");
  prepare(j, easy, url);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, file);
  begin(easy);
  return file;
}

static void get_stems (Job *j) {
  j->step = FOREGROUND;
  j->left = 2;
  j->file = download(j, j->easy, "foreground");
  j->second_file = download(j, j->second, "background");
}

static void wait_for_turn (Job *j, double due) {
  j->due = due;
  j->next = NULL;
  if (run.last != NULL)
    run.last->next = j;
  else
    run.first = j;
  run.last = j;
}

static void next_job (Job *j) {
  if (run.started < run.jobs)
    submit(j);
  else
    run.running--;
}

static void polled (Job *j) {
  char word[32];
  if (strcmp(value_of(j->reply.text, "\"run_id\"", word, sizeof word),
             "null") != 0) {
    j->run = atol(word);
    get_result(j);
  } else if (run.end == 0 || j->due + run.interval < run.end) {
    wait_for_turn(j,
                  run.end == 0 ? now() + run.interval : j->due + run.interval);
  } else {
    run.running--;
  }
}

static void finished (Job *j, CURL *easy) {
  switch (j->step) {
  case SUBMIT:
    curl_mime_free(j->mime);
    j->mime = NULL;
    value_of(j->reply.text, "\"task_id\"", j->task, sizeof j->task);
    wait_for_turn(j, now() + run.interval);
    break;
  case POLL:
    polled(j);
    break;
  case RESULT:
    get_stems(j);
    break;
  default:
    fclose(easy == j->easy ? j->file : j->second_file);
    if (--j->left == 0)
      next_job(j);
  }
}

static void read_messages (void) {
  CURLMsg *m;
  int left;
  while ((m = curl_multi_info_read(run.multi, &left)) != NULL) {
    CURL *easy = m->easy_handle;
    CURLcode code = m->data.result;
    Job *j;
    long status;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&j);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(run.multi, easy);
    if (code != CURLE_OK || status != 200)
      fail(curl_easy_strerror(code));
    finished(j, easy);
  }
}

static int until_first (void) {
  double wait = run.first != NULL ? run.first->due - now() : 1;
  return wait <= 0 ? 0 : (int)(wait * 1000) + 1;
}

static void start_due (void) {
  double t = now();
  while (run.first != NULL && run.first->due <= t) {
    Job *j = run.first;
    run.first = j->next;
    if (run.first == NULL)
      run.last = NULL;
    if (t - j->due > run.late)
      run.late = t - j->due;
    poll_task(j);
  }
}

static void loop (void) {
  int active;
  while (run.running > 0) {
    curl_multi_poll(run.multi, NULL, 0, until_first(), NULL);
    start_due();
    curl_multi_perform(run.multi, &active);
    read_messages();
  }
}

static Job *new_job (void) {
  Job *j = calloc(1, sizeof *j);
  if (j == NULL || (j->easy = curl_easy_init()) == NULL)
    fail("out of memory");
  run.running++;
  return j;
}

static void run_jobs (char **a) {
  int i, concurrency = atoi(a[3]);
  run.sources = a[1];
  run.jobs = atol(a[2]);
  run.interval = atof(a[4]) / 1000;
  run.folder = a[5];
  for (i = 0; i < concurrency && i < run.jobs; i++) {
    Job *j = new_job();
    j->second = curl_easy_init();
    submit(j);
  }
}

/* Tasks that are always pending, spread over the first interval. */
static void run_polls (char **a) {
  long i, tasks = atol(a[1]);
  double begun = now();
  run.interval = atof(a[2]) / 1000;
  run.end = begun + atof(a[3]);
  for (i = 0; i < tasks; i++) {
    Job *j = new_job();
    snprintf(j->task, sizeof j->task, "%ld", i);
    wait_for_turn(j, begun + run.interval * (double)i / (double)tasks);
  }
}

int main (int count, char **arguments) {
  const char *what = count > 2 ? arguments[1] : "";
  curl_global_init(CURL_GLOBAL_DEFAULT);
  run.multi = curl_multi_init();
  run.headers = curl_slist_append(NULL, "x-api-key: bench");
  curl_multi_setopt(run.multi, CURLMOPT_MAX_HOST_CONNECTIONS, 20L);
  curl_multi_setopt(run.multi, CURLMOPT_MAXCONNECTS, 64L);
  run.base_url = arguments[2];
  if (strcmp(what, "jobs") == 0 && count == 8)
    run_jobs(arguments + 2);
  else if (strcmp(what, "polls") == 0 && count == 6)
    run_polls(arguments + 2);
  else
    fail("wrong arguments");
  loop();
  printf("polls=%ld late=%.1f\n", run.polls, run.late * 1000);
  return 0;
}
