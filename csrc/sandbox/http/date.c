/* HTTP dates. */

#include "sandbox/http/date.h"

#include <stdio.h>

/* strftime would follow the program's locale. */
void date_write (char out[DATE_SIZE], time_t when) {
  static const char *const days = "SunMonTueWedThuFriSat";
  static const char *const months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  struct tm tm;
  gmtime_r(&when, &tm);
  snprintf(out, DATE_SIZE, "%.3s, %02d %.3s %d %02d:%02d:%02d GMT",
           days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
           tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
