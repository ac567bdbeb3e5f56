#include "schedule.h"

/* sin(pi/2 * x), 0 <= x <= 1/2, from its Taylor series: additions, multiplications and divisions alone, so that every
 * machine and libm gives the same bits. The first term left out is below 1e-19. */
static double sine(double x)
{
    const double angle = 0x1.921fb54442d18p+0 * x, square = angle * angle;
    double sum = 1.0;
    for (int k = 16; k > 0; k -= 2)
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
    /* (1 + cos(pi * t)) / 2 = 1 - sin(pi/2 * t)^2 = sin(pi/2 * (1 - t))^2, where t goes from 0 to 1: the second form
     * keeps its digits where the rate goes to zero. */
    const double all = (double)(steps - warmup), left = (double)(steps - step + 1), done = all - left;
    const double s = sine((done < left ? done : left) / all);
    return rate * (done < left ? 1.0 - s * s : s * s);
}
