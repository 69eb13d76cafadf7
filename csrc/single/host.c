/* What a host exports, on systems with dlsym. */

#include "single/single.h"

#include <dlfcn.h>

void *host_function (const char *name) {
  return dlsym(RTLD_DEFAULT, name);
}
