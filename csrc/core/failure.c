/* The words for kinds of failure. */

#include "failure.h"

const char *failure_name (FailureKind kind) {
  static const char *const names[] = {
    [FAILURE_NONE] = "none",
    [FAILURE_HTTP] = "http",
    [FAILURE_NETWORK] = "network",
    [FAILURE_TIMEOUT] = "timeout",
    [FAILURE_ATTEMPTS] = "attempts",
    [FAILURE_PROTOCOL] = "protocol",
    [FAILURE_UNKNOWN_OUTCOME] = "unknown_outcome",
    [FAILURE_FILE] = "file",
    [FAILURE_SOURCE] = "source",
    [FAILURE_CANCELLED] = "cancelled",
    [FAILURE_MEMORY] = "memory",
  };
  return names[kind];
}
