/* Paths and methods. */

#include "sandbox/http/route.h"

#include <errno.h>
#include <string.h>

#include "sandbox/http/reply.h"
#include "sandbox/http/request_target.h"

/* Whether 'path' is of the form 'pattern', which may end in an argument, such
** as "/task/{id}".  The argument is one part of the path, so no slash stands
** in it unescaped. */
static bool matches (const char *pattern, const char *path,
                     const char **argument) {
  size_t n = strcspn(pattern, "{");
  *argument = NULL;
  if (pattern[n] == '\0')
    return strcmp(path, pattern) == 0;
  *argument = path + n;
  return strncmp(path, pattern, n) == 0 && **argument != '\0' &&
         strchr(*argument, '/') == NULL;
}

int operation_index (const Operation *o) {
  int i = 0;
  while (operations[i] != o)
    i++;
  return i;
}

const Operation *operation_named (const char *name) {
  int i = 0;
  while (operations[i] != NULL && strcmp(operations[i]->name, name) != 0)
    i++;
  return operations[i];
}

static const Operation *find_api (Request *r) {
  const Operation *operation;
  const char *argument, *path = r->record->path;
  size_t base = strlen(r->server->base_path);
  if (strncmp(path, r->server->base_path, base) != 0)
    return &unknown_operation;
  for (char **route = r->server->routes; *route != NULL; route += 3) {
    if (!matches(route[2], path + base, &argument))
      continue;
    if (strcmp(r->record->method, route[1]) != 0) {
      r->allow = route[1];
      continue;
    }
    r->allow = NULL;
    if (argument != NULL) {
      r->argument = request_target_decode(argument, strlen(argument));
      r->no_memory = r->argument == NULL && errno == ENOMEM;
    }
    operation = operation_named(route[0]);
    return operation != NULL ? operation : &unknown_operation;
  }
  return &unknown_operation;
}

/* Paths below the API's do not belong to the page. */
static bool is_of_api (const Request *r) {
  const char *base = r->server->base_path;
  size_t n = strlen(base);
  return n > 0 && strncmp(r->record->path, base, n) == 0 &&
         (r->record->path[n] == '/' || r->record->path[n] == '\0');
}

static const Operation *find_stem (Request *r) {
  const char *method = r->record->method;
  if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
    return &stem_operation;
  r->allow = "GET, HEAD";
  return &unknown_operation;
}

const Operation *route_find (Request *r) {
  const Operation *found;
  if (r->listener->kind != API)
    return find_stem(r);
  found = find_api(r);
  return found == &unknown_operation && r->allow == NULL &&
             r->server->page != NULL && !is_of_api(r)
           ? &page_operation
           : found;
}

bool route_has_key (const Request *r) {
  const char *key = request_header(r, "x-api-key");
  return key != NULL && secret_equal(key, r->server->api_key);
}

static enum MHD_Result refuse (Request *r) {
  if (r->allow == NULL)
    return reply_detail(r, MHD_HTTP_NOT_FOUND, "Not Found");
  return reply_detail(r, MHD_HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed");
}

const Operation unknown_operation = {
  .name = "unknown",
  .begin = refuse,
  .finish = refuse,
};
