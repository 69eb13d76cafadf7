/* The best path of the lead's pitch through all frames (Viterbi). */

#include "engine/path.h"

#include <string.h>

/* A step costs by the candidate, up to 8; a jump anywhere has one price. */
enum { REACH = 8 };
static const float step_cost = 0.12F, jump_cost = 4.0F;

/* Scores with room on both sides that no path comes from. */
typedef struct Scores {
  float before[REACH];
  float of[CANDIDATES];
  float after[REACH];
} Scores;

/* Candidates i to i + 3: the best of the near ones to come from. */
static void best_step (const Scores *s, int i, Lanes *best, LanesInt *from) {
  const float *here = s->before + REACH + i;
  LanesInt own = lanes_all_int(i) + (LanesInt){0, 1, 2, 3};
  *best = lanes_load(here);
  *from = own;
  for (int d = 1; d <= REACH; d++) {
    float cost = step_cost * (float)d;
    Lanes above = lanes_load(here + d) - cost;
    LanesInt better = above > *best;
    *best = lanes_max(above, *best);
    *from = (better & (own + d)) | (~better & *from);
    Lanes below = lanes_load(here - d) - cost;
    better = below > *best;
    *best = lanes_max(below, *best);
    *from = (better & (own - d)) | (~better & *from);
  }
}

static int greatest (const float *values) {
  int best = 0;
  for (int i = 1; i < CANDIDATES; i++)
    if (values[i] > values[best])
      best = i;
  return best;
}

/* From one frame's scores to the next one's. */
static void advance (Scores *s, const float *salience, uint8_t *from) {
  Scores next = *s;
  int top = greatest(s->of);
  float jump = s->of[top] - jump_cost;
  for (int i = 0; i < CANDIDATES; i += LANES) {
    Lanes best;
    LanesInt origin;
    best_step(s, i, &best, &origin);
    LanesInt better = lanes_all(jump) > best;
    best = lanes_max(best, lanes_all(jump));
    origin = (better & top) | (~better & origin);
    lanes_store(next.of + i, best + lanes_load(salience + i));
    for (int j = 0; j < LANES; j++)
      from[i + j] = (uint8_t)origin[j];
  }
  *s = next;
}

void path_find (const float *salience, int n, uint8_t *from, uint8_t *path) {
  Scores s;
  for (int i = 0; i < REACH; i++)
    s.before[i] = s.after[i] = -1e9F;
  memcpy(s.of, salience, sizeof s.of);
  for (int t = 1; t < n; t++)
    advance(&s, salience + (size_t)t * CANDIDATES,
            from + (size_t)t * CANDIDATES);
  path[n - 1] = (uint8_t)greatest(s.of);
  for (int t = n - 1; t > 0; t--)
    path[t - 1] = from[(size_t)t * CANDIDATES + path[t]];
}
