#include "schedule.h"

/* sin(pi/2 * x), 0 <= x <= 1, from its Taylor series: additions, multiplications and divisions alone, so that every
 * machine and libm gives the same bits. The first term left out is below 2e-18. */
static double quarter_sine(double x)
{
    const double angle = 0x1.921fb54442d18p+0 * x, square = angle * angle;
    double sum = 1.0;
    for (int k = 20; k > 0; k -= 2)
        sum = 1.0 - square / (k * (k + 1)) * sum;
    return angle * sum;
}

double mf_learning_rate(const mnist_fast_config *config, uint64_t step, uint64_t steps)
{
    const double rate = config->learning_rate;
    const uint64_t warmup = (uint64_t)config->warmup_steps;
    if (step <= warmup)
        return rate * ((double)step / (double)warmup);
    if (config->schedule == MNIST_FAST_CONSTANT)
        return rate;
    /* (1 + cos(pi * t)) / 2 = sin(pi/2 * (1 - t))^2, which loses no digits where the rate goes to zero. */
    const double sine = quarter_sine((double)(steps - step + 1) / (double)(steps - warmup));
    return rate * (sine * sine);
}
