#include "sine.h"

/* From its Taylor series: additions, multiplications and divisions alone. The first term left out is below 1e-16 of the
 * result. */
double mf_sine(double angle)
{
    const double square = angle * angle;
    double sum = 1.0;
    for (int k = 16; k > 0; k -= 2)
        sum = 1.0 - square / (k * (k + 1)) * sum;
    return angle * sum;
}
