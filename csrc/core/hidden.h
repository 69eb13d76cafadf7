/* A line that is typed unseen. */

#ifndef CAMB_HIDDEN_H
#define CAMB_HIDDEN_H

/* What is typed after 'prompt' at standard input, without echo, up to the end of
** the line or to Ctrl-C, which is the last character then; NULL: that is no
** terminal.  The next call overwrites it. */
char *read_hidden (const char *prompt);

#endif
