#include "schedule.h"

#include "base/sine.h"

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
    const double s = mf_sine(0x1.921fb54442d18p+0 * ((done < left ? done : left) / all));
    return rate * (done < left ? 1.0 - s * s : s * s);
}
