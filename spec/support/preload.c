/* Preloaded under the sanitizers.  Modules stay mapped after Lua has closed
** them: what their globals hold is no leak, and reports can name functions. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Thread sanitizer ends the process when what it closes is still there. */
static int is_tsan;

int dlclose (void *handle) {
  union { /* ISO C has no cast from an object to a function */
    void *object;
    int (*function)(void *);
  } next = {is_tsan ? dlsym(RTLD_NEXT, "dlclose") : NULL};
  return next.object != NULL ? next.function(handle) : 0;
}

/* libhwy, which libavcodec brings, times itself by RDTSCP as it is loaded.  valgrind
** announces that instruction even where a virtual machine has none, and then dies
** of it; so this stands in the place of the function that uses it. */
unsigned long
timer_resolution (void) __asm__("_ZN3hwy8platform15TimerResolutionEv");
unsigned long timer_resolution (void) {
  return 1;
}

/* Other people's programs, such as curl, run without the sanitizer; and no process
** that specs start looks for leaks, as LeakSanitizer breaks where threads end
** together with the process.  The specs' own has read its options by now. */
__attribute__((constructor)) static void spare_children (void) {
  const char *preloaded = getenv("LD_PRELOAD"),
             *options = getenv("ASAN_OPTIONS");
  char without[256];
  is_tsan = preloaded != NULL && strstr(preloaded, "tsan") != NULL;
  if (preloaded != NULL && strstr(preloaded, "san.so") != NULL)
    unsetenv("LD_PRELOAD");
  if (options != NULL && strstr(options, "detect_leaks=0") == NULL) {
    snprintf(without, sizeof(without), "%s:detect_leaks=0", options);
    setenv("ASAN_OPTIONS", without, 1);
  }
}
