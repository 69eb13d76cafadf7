/* How much each candidate for the lead's pitch stands out. */

#include "engine/salience.h"

#include <math.h>
#include <stdlib.h>

#include "engine/grid.h"

enum { HARMONICS = 24, TERMS = HARMONICS * 3 * 2 };

/* One summand: a candidate's sum is sparse over the bins. */
typedef struct Term {
  int bin;
  float weight;
} Term;

struct Salience {
  Term terms[CANDIDATES * TERMS];
  int end[CANDIDATES]; /* of a candidate's terms; the next begin there */
};

float salience_hz (int candidate) {
  return (float)(70 * exp2(candidate / 60.0));
}

/* A frequency between two bins counts for both. */
static int add_partial (Term *terms, int n, double hz, double weight) {
  double place = hz * GRID_N / GRID_RATE;
  int bin = (int)place;
  if (bin + 1 >= SALIENCE_BINS)
    return n;
  terms[n++] = (Term){bin, (float)(weight * (1 - (place - bin)))};
  terms[n++] = (Term){bin + 1, (float)(weight * (place - bin))};
  return n;
}

/* Weights fall by 0.88 per harmonic; rows are of unit norm, or low pitches
** with their many harmonics would always win. */
static int fill_row (Term *terms, double hz) {
  double norm = 1e-9;
  int n = 0;
  for (int h = 1; h <= HARMONICS && (h + 0.5) * hz < 4980; h++) {
    double weight = pow(0.88, h - 1);
    n = add_partial(terms, n, h * hz, weight);
    n = add_partial(terms, n, (h + 0.5) * hz, -0.5 * weight);
    n = add_partial(terms, n, (h - 0.5) * hz, -0.5 * weight);
    norm += weight * weight;
  }
  for (int i = 0; i < n; i++)
    terms[i].weight /= (float)sqrt(norm);
  return n;
}

Salience *salience_open (void) {
  Salience *s = malloc(sizeof *s);
  int n = 0;
  if (s == NULL)
    return NULL;
  for (int i = 0; i < CANDIDATES; i++) {
    n += fill_row(s->terms + n, 70 * exp2(i / 60.0));
    s->end[i] = n;
  }
  return s;
}

void salience_close (Salience *s) {
  free(s);
}

void salience_of (const Salience *s, const Lanes *magnitude, Lanes *salience) {
  int n = 0;
  for (int i = 0; i < CANDIDATES; i++) {
    Lanes sum = lanes_all(0);
    for (; n < s->end[i]; n++)
      sum += magnitude[s->terms[n].bin] * s->terms[n].weight;
    salience[i] = sum;
  }
}
