/* Dates as HTTP writes them, whatever the program's locale is. */

#ifndef CAMB_SANDBOX_HTTP_DATE_H
#define CAMB_SANDBOX_HTTP_DATE_H

#include <time.h>

#define DATE_SIZE 80 /* 29 letters, but a year may have more digits */

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
void date_write (char out[DATE_SIZE], time_t when);

#endif
