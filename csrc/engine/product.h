/* Rows of floats times a matrix: what the network spends its time with. */

#ifndef CAMB_ENGINE_PRODUCT_H
#define CAMB_ENGINE_PRODUCT_H

#include <stddef.h>

/* A matrix is stored in panels of this many columns, one panel after the other,
** each row by row. */
enum { PANEL = 16 };

/* To each of 'rows' rows of 'out', 'no' floats, add the product of a row of
** 'in', 'ni' floats, and the matrix 'w' of ni x no; 'no' is a multiple of
** PANEL.  Rows begin 'in_step' and 'out_step' floats apart. */
typedef void Product (const float *in, size_t in_step, int rows, int ni,
                      const float *w, int no, float *out, size_t out_step);

/* The fastest one that this processor has; with 'plain', the one that every
** processor has.  They differ in the last digits. */
Product *product_for (int plain);

#endif
