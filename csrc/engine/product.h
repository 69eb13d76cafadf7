/* Rows of floats times a matrix: what the network spends its time with. */

#ifndef CAMB_ENGINE_PRODUCT_H
#define CAMB_ENGINE_PRODUCT_H

#include <stddef.h>

/* A matrix's columns come in panels of so many, one panel after the other: of
** each its rows. */
enum { PANEL = 16 };

/* To each of 'rows' rows of 'out', 'no' floats, add the product of a row of
** 'in', 'ni' floats, and the matrix 'w' of ni x no; 'no' is a multiple of
** PANEL.  Rows begin 'in_step' and 'out_step' floats apart. */
typedef void Product (const float *in, size_t in_step, int rows, int ni,
                      const float *w, int no, float *out, size_t out_step);

/* The fastest one that this processor has; the one that every processor has
** where 'plain' is set.  They differ in the last digits. */
Product *product_for (int plain);

#endif
