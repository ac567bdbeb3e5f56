#include "config.h"

#include "base/error.h"
#include "base/sized.h"
#include "kernels.h"

#include <math.h>

static const mnist_fast_config defaults = {
    .size = sizeof defaults,
    .hidden = {500, 500, 500},
    .hidden_count = 3,
    .batch_size = 1000,
    .learning_rate = 1e-3f,
    .beta1 = 0.9f,
    .beta2 = 0.999f,
    .epsilon = 1e-7f,
    .validation_fraction = 0.1,
    .shuffle_buffer = 10000,
    .seed = 1,
};

void mnist_fast_default_config(mnist_fast_config *config, size_t size)
{
    if (config)
        mf_sized_write(config, size, &defaults, sizeof defaults);
}

static mnist_fast_status check(const mnist_fast_config *c, mnist_fast_error *error)
{
    if (c->hidden_count < 1 || c->hidden_count > MNIST_FAST_MAX_HIDDEN)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "hidden layers: expected 1 to %d, found %d",
                       MNIST_FAST_MAX_HIDDEN, c->hidden_count);
    for (int i = 0; i < c->hidden_count; i++)
        if (c->hidden[i] < 1 || c->hidden[i] > MNIST_FAST_MAX_UNITS)
            return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "units of hidden layer %d: expected 1 to %d, found %d",
                           i + 1, MNIST_FAST_MAX_UNITS, c->hidden[i]);
    if (c->batch_size < 1 || c->batch_size > MNIST_FAST_MAX_BATCH)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "batch size: expected 1 to %d, found %d", MNIST_FAST_MAX_BATCH,
                       c->batch_size);
    if (c->shuffle_buffer < 1)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "shuffle buffer: expected at least 1, found %d",
                       c->shuffle_buffer);
    if (!(c->learning_rate > 0) || !isfinite(c->learning_rate))
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "learning rate: expected a positive number, found %g",
                       (double)c->learning_rate);
    if (!(c->beta1 >= 0 && c->beta1 < 1) || !(c->beta2 >= 0 && c->beta2 < 1))
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "betas of Adam: expected 0 to less than 1, found %g and %g",
                       (double)c->beta1, (double)c->beta2);
    if (!(c->epsilon > 0) || !isfinite(c->epsilon)) /* 0 / 0 where a gradient has always been zero */
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "epsilon of Adam: expected a positive number, found %g",
                       (double)c->epsilon);
    if (!(c->validation_fraction >= 0 && c->validation_fraction < 1))
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT,
                       "validation fraction: expected a number from 0 to less than 1, found %g",
                       c->validation_fraction);
    if (!(c->weight_decay >= 0) || !isfinite(c->weight_decay))
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "weight decay: expected a number of at least 0, found %g",
                       c->weight_decay);
    if (c->patience < 0)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "patience: expected at least 0, found %d", c->patience);
    if (c->schedule != MNIST_FAST_CONSTANT && c->schedule != MNIST_FAST_COSINE)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "schedule: expected %d or %d, found %d", MNIST_FAST_CONSTANT,
                       MNIST_FAST_COSINE, (int)c->schedule);
    const int least = c->schedule == MNIST_FAST_COSINE;
    if (c->schedule_epochs < least)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "epochs of the schedule: expected at least %d, found %d", least,
                       c->schedule_epochs);
    if (c->precision != MNIST_FAST_FP32 && c->precision != MNIST_FAST_BF16)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "precision: expected %d or %d, found %d", MNIST_FAST_FP32,
                       MNIST_FAST_BF16, (int)c->precision);
    if (c->warmup_steps < 0)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "steps of the warm-up: expected at least 0, found %d",
                       c->warmup_steps);
    const struct {
        const char *name;
        double value, most;
    } strengths[] = {
        {"rotation", c->rotation, MNIST_FAST_MAX_ROTATION}, {"shear", c->shear, MNIST_FAST_MAX_SHEAR},
        {"scale", c->scale, MNIST_FAST_MAX_SCALE},          {"shift", c->shift, MNIST_FAST_MAX_SHIFT},
        {"elastic", c->elastic, MNIST_FAST_MAX_ELASTIC},
    };
    for (size_t i = 0; i < sizeof strengths / sizeof *strengths; i++)
        if (!(strengths[i].value >= 0 && strengths[i].value <= strengths[i].most))
            return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "%s: expected a number from 0 to %g, found %g",
                           strengths[i].name, strengths[i].most, strengths[i].value);
    return MNIST_FAST_OK;
}

mnist_fast_status mf_config_read(const mnist_fast_config *from, mnist_fast_config *config, mnist_fast_error *error)
{
    const mnist_fast_status status = mf_sized_read("config", config, sizeof *config, from, error);
    return status ? status : check(config, error);
}
