/* Matrices of the kernels, in guarded memory. */
#ifndef MATRIX_H
#define MATRIX_H

#include "support.h"

/* (rows, panels * 16), with a gap of a few rows between panels. */
struct mf_matrix matrix_new(int rows, int panels);
size_t matrix_size(struct mf_matrix matrix, int rows, int panels); /* floats, gaps included */
/* Random reals times magnitude in the first `columns` columns, `padding` in the others. */
void matrix_fill(struct mf_matrix matrix, int rows, int panels, int columns, float magnitude, float padding,
                 struct random *random);
/* A filled matrix with the panels that the columns need, read-only. */
struct mf_matrix matrix_sealed(int rows, int columns, float magnitude, float padding, struct random *random);

/* Fails unless got holds the same bytes as expected, gaps and untouched rows included. */
void expect_same(const char *what, struct mf_matrix expected, struct mf_matrix got, int rows, int panels);
/* Fails unless only rows [begin, end) of panels [first, last) differ from what was there before. */
void expect_only(const char *what, const float *before, struct mf_matrix after, int rows, int panels, int begin,
                 int end, int first, int last);

struct mf_adam adam_at_step(int step); /* the constants of that step at the default learning rate */

#endif
