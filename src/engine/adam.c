#include "adam.h"

#include <math.h>

/* base^exponent by squaring: multiplications alone, so that every machine and libm gives the same bits. */
static double power(double base, uint64_t exponent)
{
    double result = 1.0;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1)
            result *= base;
    return result;
}

struct mf_adam mf_adam_constants(const mnist_fast_config *config, double learning_rate, uint64_t step)
{
    const double beta1 = config->beta1, beta2 = config->beta2;
    return (struct mf_adam){
        .beta1 = config->beta1,
        .gain1 = 1.0f - config->beta1,
        .beta2 = config->beta2,
        .gain2 = 1.0f - config->beta2,
        .rate = (float)(learning_rate / (1.0 - power(beta1, step))),
        .root = (float)(1.0 / sqrt(1.0 - power(beta2, step))),
        .epsilon = config->epsilon,
        .keep = (float)(1.0 - learning_rate * config->weight_decay),
    };
}
