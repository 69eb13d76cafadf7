/* Included by product.c for each kind of vectors: BYTES long, ALL(x) with x
** in each place, in functions of ATTRIBUTES whose names end in NAME(). */

typedef float NAME(Vector)
  __attribute__((vector_size(BYTES), aligned(4), may_alias));

/* ROWS rows by two vectors stay in registers. */
ATTRIBUTES static inline __attribute__((always_inline)) void
NAME (tile)(const float *in, size_t in_step, int rows, int ni, const float *w,
            float *out, size_t out_step) {
  enum { LANE_COUNT = BYTES / sizeof(float) };
  NAME(Vector) sum[ROWS][2];
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < 2; c++)
      sum[r][c] =
        *(const NAME(Vector) *)(out + (size_t)r * out_step + c * LANE_COUNT);
  for (int i = 0; i < ni; i++) {
    const NAME(Vector) *column = (const NAME(Vector) *)(w + (size_t)i * PANEL);
    NAME(Vector) first = column[0], second = column[1];
    for (int r = 0; r < rows; r++) {
      NAME(Vector) x = ALL(in[(size_t)r * in_step + (size_t)i]);
      sum[r][0] += x * first;
      sum[r][1] += x * second;
    }
  }
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < 2; c++)
      *(NAME(Vector) *)(out + (size_t)r * out_step + c * LANE_COUNT) =
        sum[r][c];
}

ATTRIBUTES static void NAME (product)(const float *in, size_t in_step, int rows,
                                      int ni, const float *w, int no,
                                      float *out, size_t out_step) {
  enum { LANE_COUNT = BYTES / sizeof(float) };
  for (int panel = 0; panel < no; panel += PANEL, w += (size_t)ni * PANEL)
    for (int c = 0; c < PANEL; c += 2 * LANE_COUNT) {
      int r = 0;
      for (; r + ROWS <= rows; r += ROWS)
        NAME(tile)
      (in + (size_t)r * in_step, in_step, ROWS, ni, w + c,
       out + (size_t)r * out_step + panel + c, out_step);
      for (; r < rows; r++)
        NAME(tile)
      (in + (size_t)r * in_step, in_step, 1, ni, w + c,
       out + (size_t)r * out_step + panel + c, out_step);
    }
}

#undef NAME
#undef BYTES
#undef ALL
#undef ATTRIBUTES
