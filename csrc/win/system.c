/* Windows: processes, signals and the terminal. */

#include "win/port_private.h"

#include <conio.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "core/hidden.h"

int kill (pid_t process, int number) {
  HANDLE h =
    OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)process);
  DWORD status = STILL_ACTIVE;
  (void)number; /* 0: whether it exists */
  errno = ESRCH;
  if (h == NULL)
    return GetLastError() == ERROR_ACCESS_DENIED ? 0 : -1;
  GetExitCodeProcess(h, &status);
  CloseHandle(h);
  return status == STILL_ACTIVE ? 0 : -1;
}

int sigaction (int number, const struct sigaction *new, struct sigaction *old) {
  if (old != NULL)
    memset(old, 0, sizeof *old);
  if (new != NULL && (number == SIGINT || number == SIGTERM))
    signal(number, new->sa_handler);
  return 0;
}

int ioctl (int fd, int request, struct winsize *size) {
  CONSOLE_SCREEN_BUFFER_INFO info;
  (void)request; /* TIOCGWINSZ */
  if (!GetConsoleScreenBufferInfo((HANDLE)_get_osfhandle(fd), &info))
    return fail();
  size->ws_col = (unsigned short)(info.srWindow.Right - info.srWindow.Left + 1);
  size->ws_row = (unsigned short)(info.srWindow.Bottom - info.srWindow.Top + 1);
  return 0;
}

char *read_hidden (const char *prompt) {
  static char line[512];
  size_t size = 0;
  int c;
  _cputs(prompt);
  while ((c = _getch()) != '\r' && c != '\n' && c != EOF && c != '\3')
    if (c == '\b')
      size -= size > 0;
    else if (size < sizeof line - 1)
      line[size++] = (char)c;
  if (c == '\3') {
    line[0] = (char)c;
    size = 1;
  }
  line[size] = '\0';
  _cputs("\r\n");
  return line;
}

/* Handles are limited by memory only. */
int getrlimit (int what, struct rlimit *limit) {
  (void)what;
  limit->rlim_cur = RLIM_INFINITY;
  return 0;
}
