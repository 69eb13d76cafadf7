/* Windows: what a host shows, itself or by the library of its Lua. */

#include "single/single.h"

void *host_function (const char *name) {
  static const char *const libraries[] = {NULL, "lua51.dll", "lua52.dll",
                                          "lua53.dll", "lua54.dll"};
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    HMODULE library = GetModuleHandleA(libraries[i]);
    FARPROC found = library != NULL ? GetProcAddress(library, name) : NULL;
    if (found != NULL)
      return (void *)(size_t)found;
  }
  return NULL;
}
