/* Replies over a socket without a name on disk, in one thread: a connection
** can be made, and a request be sent, before anybody accepts it. */

#include "received.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char name[32];

/* Linux's abstract names begin with a NUL. */
static int open_listener (void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int n = snprintf(name, sizeof name, "camb-fuzz-%d", (int)getpid());
  memcpy(address.sun_path + 1, name, (size_t)n);
  MUST(fd >= 0 && bind(fd, (struct sockaddr *)&address,
                       (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n)) == 0);
  MUST(listen(fd, 8) == 0);
  return fd;
}

/* What was asked is read away: else closing would reset the connection. */
static void reply (int listener, const void *bytes, size_t size) {
  char request[1024];
  int fd = accept(listener, NULL, NULL);
  MUST(fd >= 0);
  while (recv(fd, request, sizeof request, MSG_DONTWAIT) > 0)
    ;
  MUST(size == 0 || send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
  shutdown(fd, SHUT_WR);
  close(fd);
}

static CURLcode finish (CURLM *multi) {
  const CURLMsg *message = NULL;
  int running = 1, left;
  while (message == NULL) {
    MUST(curl_multi_perform(multi, &running) == CURLM_OK);
    message = curl_multi_info_read(multi, &left);
    if (message == NULL)
      MUST(curl_multi_poll(multi, NULL, 0, 1000, NULL) == CURLM_OK);
  }
  return message->data.result;
}

Exchange *received (const void *bytes, size_t size, CURLcode *code) {
  static int listener = -1;
  static CURLM *multi;
  Exchange *x = exchange_open();
  int running;
  if (listener < 0) {
    listener = open_listener();
    multi = curl_multi_init();
  }
  MUST(x != NULL && multi != NULL && size <= RECEIVED_MAX);
  exchange_keep_body(x);
  curl_easy_setopt(x->easy, CURLOPT_URL, "http://127.0.0.1/");
  curl_easy_setopt(x->easy, CURLOPT_ABSTRACT_UNIX_SOCKET, name);
  curl_easy_setopt(x->easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(x->easy, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(x->easy, CURLOPT_PROXY, "");
  MUST(curl_multi_add_handle(multi, x->easy) == CURLM_OK);
  MUST(curl_multi_perform(multi, &running) == CURLM_OK);
  reply(listener, bytes, size);
  *code = finish(multi);
  MUST(curl_multi_remove_handle(multi, x->easy) == CURLM_OK);
  return x;
}
