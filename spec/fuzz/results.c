/* Fuzzes the JSON that clients send: the input is the body of a request for
** the results of runs, to a server that has one, by HTTP. */

#include "fuzz.h"

#include <math.h>
#include <unistd.h>

#include <curl/curl.h>
#include <jansson.h>

#include "engine/files.h"
#include "sandbox/http/server.h"

#define RUN 5000
#define RUN_KEY "5000"

static const char record[] =
  "{\"task_id\": \"a\", \"status\": \"SUCCESS\", \"run_id\": " RUN_KEY ","
  " \"foreground\": \"f.flac\", \"background\": \"b.flac\"}";

static char folder[] = "/tmp/fuzz-results-XXXXXX";
static Server *server;
static CURL *easy;
static struct curl_slist *headers;

typedef struct Reply {
  char text[1 << 20];
  size_t size;
} Reply;

static void close_all (void) {
  curl_easy_cleanup(easy);
  curl_slist_free_all(headers);
  server_free(server);
  files_remove_tree(folder);
}

static void plant (void) {
  char *task;
  MUST(mkdtemp(folder) != NULL);
  task = files_join(folder, "tasks/a");
  MUST(task != NULL && files_mkdirs(task) == 0);
  MUST(files_replace(task, "task.json", record, sizeof record - 1, false) == 0);
  free(task);
}

static void start (void) {
  static const char *const routes[] = {"results", "POST",
                                       "/audio-separation-results", NULL};
  ServerOptions options = {.host = "127.0.0.1",
                           .routes = routes,
                           .api_key = "key",
                           .base_path = "",
                           .data_dir = folder,
                           .crew = {.workers = 1, .processing = INFINITY},
                           .max_connections = 8,
                           .idle_timeout = 600,
                           .url_lifetime = 3600,
                           .max_upload = 1 << 20,
                           .max_field = 4096,
                           .max_headers = 131072,
                           .request_log = 4};
  Failure why = {0};
  server = server_start(&options, &why);
  if (server == NULL)
    fprintf(stderr, "%s\n", why.message);
  MUST(server != NULL);
}

static size_t on_body (char *bytes, size_t one, size_t n, void *context) {
  Reply *reply = context;
  (void)one;
  if (n > sizeof reply->text - reply->size)
    return 0;
  memcpy(reply->text + reply->size, bytes, n);
  reply->size += n;
  return n;
}

static void open_all (void) {
  char url[400];
  plant();
  start();
  atexit(close_all);
  easy = curl_easy_init();
  MUST(easy != NULL);
  headers = curl_slist_append(headers, "Content-Type: application/json");
  headers = curl_slist_append(headers, "x-api-key: key");
  headers = curl_slist_append(headers, "Expect:");
  snprintf(url, sizeof url, "%s/audio-separation-results", server->base_url);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
}

static long ask (const uint8_t *data, size_t size, Reply *reply) {
  long status = 0;
  reply->size = 0;
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, reply);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)size);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, data);
  MUST(curl_easy_perform(easy) == CURLE_OK);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

/* Whether 'body' asks for runs by integers alone; '*known': for the one that
** is there, too. */
static bool asks_for_runs (const json_t *body, bool *known) {
  const json_t *list = json_object_get(body, "run_ids"), *run;
  size_t i;
  *known = false;
  if (!json_is_array(list))
    return false;
  json_array_foreach(list, i, run) {
    if (!json_is_integer(run))
      return false;
    *known = *known || json_integer_value(run) == RUN;
  }
  return true;
}

static void check_map (const json_t *map) {
  static const char *const names[] = {"foreground_audio_url",
                                      "background_audio_url"};
  const json_t *urls = json_object_get(map, RUN_KEY);
  size_t n = strlen(server->stem_url);
  MUST(json_is_object(map));
  MUST(json_object_size(map) == (urls != NULL ? 1 : 0));
  for (int i = 0; urls != NULL && i < 2; i++) {
    const char *url = json_string_value(json_object_get(urls, names[i]));
    MUST(url != NULL && strncmp(url, server->stem_url, n) == 0);
  }
}

/* The reply to what is understood, and to all else. */
static void check_reply (long status, const json_t *reply, const json_t *body) {
  bool known, asks = asks_for_runs(body, &known);
  MUST(reply != NULL && (status == 200 || status == 422));
  MUST(!asks || status == 200);
  if (status == 200) {
    MUST(body != NULL);
    check_map(reply);
    MUST(!known || json_object_get(reply, RUN_KEY) != NULL);
  } else
    MUST(json_array_size(json_object_get(reply, "detail")) > 0);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  static Reply text;
  json_t *body, *reply;
  long status;
  if (size > sizeof text.text / 64) /* a problem is longer than its cause */
    return -1;
  if (server == NULL)
    open_all();
  status = ask(data, size, &text);
  body = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
  reply = json_loadb(text.text, text.size, 0, NULL);
  check_reply(status, reply, body);
  json_decref(body);
  json_decref(reply);
  return 0;
}
