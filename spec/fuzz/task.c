/* Fuzzes the records of tasks on disk, which a person may have edited: the
** input is a task.json. */

#include "fuzz.h"

#include <unistd.h>

#include "engine/files.h"
#include "sandbox/tasks/task.h"

static char folder[] = "/tmp/fuzz-task-XXXXXX";

static void remove_folder (void) {
  files_remove_tree(folder);
}

static void make_folder (void) {
  static int made = 0;
  if (made++ != 0)
    return;
  MUST(mkdtemp(folder) != NULL);
  atexit(remove_folder);
}

static void check_name (const char *name) {
  MUST(name == NULL || (name[0] != '\0' && name[0] != '.'));
  MUST(name == NULL || strchr(name, '/') == NULL);
}

static void check_digest (const char *digest) {
  size_t n = strlen(digest);
  MUST(n == 0 || n == DIGEST_HEX - 1);
  MUST(strspn(digest, "0123456789abcdef") == n);
}

static void check_task (const Task *t) {
  MUST(t->id != NULL && t->status != NULL && json_is_object(t->fields));
  MUST(t->run_id >= 0);
  MUST(atomic_load(&t->ended) == (strcmp(t->status, "PENDING") != 0));
  MUST(atomic_load(&t->ended) || t->input != NULL);
  check_name(t->input);
  check_digest(t->sha256);
  for (int i = 0; i < 2; i++) {
    check_name(t->stems[i].file);
    check_digest(t->stems[i].sha256);
  }
}

static void check_same (const char *a, const char *b) {
  MUST((a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0));
}

static void check_equal (const Task *a, const Task *b) {
  check_same(a->id, b->id);
  check_same(a->status, b->status);
  check_same(a->reason, b->reason);
  check_same(a->message, b->message);
  check_same(a->input, b->input);
  check_same(a->file_name, b->file_name);
  check_same(a->content_type, b->content_type);
  check_same(a->sha256, b->sha256);
  MUST(a->size == b->size && a->run_id == b->run_id);
  MUST(a->created == b->created && json_equal(a->fields, b->fields));
  for (int i = 0; i < 2; i++) {
    check_same(a->stems[i].file, b->stems[i].file);
    check_same(a->stems[i].sha256, b->stems[i].sha256);
  }
}

/* What was read is written and read again without a loss. */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  Task *t, *again;
  make_folder();
  MUST(files_replace(folder, "task.json", data, size, false) == 0);
  t = task_read(folder);
  if (t == NULL)
    return 0;
  check_task(t);
  MUST(task_write(t, false) == 0);
  again = task_read(folder);
  MUST(again != NULL);
  check_equal(t, again);
  task_free(t);
  task_free(again);
  return 0;
}
