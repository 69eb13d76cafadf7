/* Running medians, four signals at a time.
**
** Each lane's window is kept sorted.  Replacing its oldest value by the
** newest takes one pass without a branch, so all lanes go together: that is
** several times faster than searching each lane's window by itself. */

#include "engine/median.h"

/* Remove 'old', which is in it, from the sorted 'window' and insert 'new'.
** Without 'old' the k-th value is rest(k); with 'new' it is the middle one of
** rest(k - 1), 'new' and rest(k). */
static inline void replace (Lanes *window, int size, Lanes old, Lanes new) {
  Lanes here = window[0], below = here;
  for (int k = 0; k < size - 1; k++) {
    Lanes above = window[k + 1];
    Lanes rest = lanes_select(here < old, here, above);
    Lanes least = lanes_min(rest, new);
    window[k] = k > 0 ? lanes_max(below, least) : least;
    below = rest;
    here = above;
  }
  window[size - 1] = lanes_max(below, new);
}

/* The value at 'i', or the nearest one that there is. */
static inline Lanes at (const Lanes *in, int n, int i) {
  return in[i < 0 ? 0 : i >= n ? n - 1 : i];
}

/* Inlined with a constant size, the pass above has a constant length. */
static inline void run (const Lanes *in, Lanes *out, int n, const int size) {
  Lanes window[MEDIAN_MAX];
  int half = size / 2;
  for (int k = 0; k < size; k++)
    window[k] = in[0];
  for (int i = 1; i <= half; i++)
    replace(window, size, in[0], at(in, n, i));
  for (int i = 0; i < n; i++) {
    out[i] = window[half];
    replace(window, size, at(in, n, i - half), at(in, n, i + half + 1));
  }
}

void median_run (const Lanes *in, Lanes *out, int n, int window) {
  run(in, out, n, window);
}
