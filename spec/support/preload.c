/* Preloaded under the sanitizers.  Modules stay mapped after Lua has closed
** them: what their globals hold is no leak, and reports can name functions. */

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

int dlclose (void *handle) {
  (void)handle;
  return 0;
}

/* Other people's programs, such as curl, run without the sanitizer. */
__attribute__((constructor)) static void spare_children (void) {
  const char *preloaded = getenv("LD_PRELOAD");
  if (preloaded != NULL && strstr(preloaded, "asan") != NULL)
    unsetenv("LD_PRELOAD");
}
