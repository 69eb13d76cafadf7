/* The terminal of POSIX.  getpass of glibc sees Ctrl-C only with the next end of
** a line. */

#include "core/hidden.h"

#include <string.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_C '\3'

static void say (const char *words) {
  if (write(STDERR_FILENO, words, strlen(words)) < 0)
    (void)0; /* what is typed counts all the same */
}

char *read_hidden (const char *prompt) {
  static char line[4096];
  struct termios shown, hidden;
  ssize_t size;
  if (tcgetattr(STDIN_FILENO, &shown) != 0)
    return NULL;
  hidden = shown;
  hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
  hidden.c_cc[VEOL] = CTRL_C; /* ends a line as well */
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
  say(prompt);
  size = read(STDIN_FILENO, line, sizeof line - 1);
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
  say("\n");
  line[size > 0 ? size : 0] = '\0';
  return line;
}
