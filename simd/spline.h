/* The weights of deform, for every instruction set. Internal to simd/. */
#ifndef MF_SPLINE_H
#define MF_SPLINE_H

#include "kernels.h"

/* The uniform cubic B-spline within a span, of the pixel whose middle is n / 14 of the span from its beginning: the
 * weights of the two control points before it and of the two after it. They sum to 1. */
#define W0(n) ((14 - (n)) * (14 - (n)) * (14 - (n)) / 16464.0f)
#define W1(n) ((10976 - 84 * (n) * (n) + 3 * (n) * (n) * (n)) / 16464.0f)
#define W2(n) ((2744 + 588 * (n) + 42 * (n) * (n)-3 * (n) * (n) * (n)) / 16464.0f)
#define W3(n) ((n) * (n) * (n) / 16464.0f)
#define ZERO(n) 0.0f
#define SPAN(w) w(1), w(3), w(5), w(7), w(9), w(11), w(13)

enum { MF_SPLINE_COLUMNS = 32 }; /* whole vectors; zeros from 28 */

/* Of a control point, in a row or a column of the grid, on each pixel of the row or column. */
static const _Alignas(64) float mf_spline[MF_NODES][MF_SPLINE_COLUMNS] = {
    {SPAN(W0), SPAN(ZERO), SPAN(ZERO), SPAN(ZERO)}, {SPAN(W1), SPAN(W0), SPAN(ZERO), SPAN(ZERO)},
    {SPAN(W2), SPAN(W1), SPAN(W0), SPAN(ZERO)},     {SPAN(W3), SPAN(W2), SPAN(W1), SPAN(W0)},
    {SPAN(ZERO), SPAN(W3), SPAN(W2), SPAN(W1)},     {SPAN(ZERO), SPAN(ZERO), SPAN(W3), SPAN(W2)},
    {SPAN(ZERO), SPAN(ZERO), SPAN(ZERO), SPAN(W3)},
};
#undef W0
#undef W1
#undef W2
#undef W3
#undef ZERO
#undef SPAN

/* A float of a smaller magnitude, when this is added, is rounded to an integer, ties to even, which the lowest bits of
 * the sum then hold: 3 * 2^22. */
#define MF_PLACE_ROUND 12582912.0f

#endif
