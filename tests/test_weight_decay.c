/* Decoupled weight decay (AdamW): what it does to weights, and to nothing else. */
#include "engine/adam.h"
#include "engine/schedule.h"
#include "guarded.h"
#include "matrix.h"
#include "trainings.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Kernels ---- */

enum { ROWS = 16, CALL_ROWS = 48, PANELS = 5, SAMPLES = 3, KERNELS = 3 };
static const char *const kernel_name[KERNELS] = {"weight_update", "weight_update_sparse", "bias_update"};

struct operands {
    struct mf_weight_update op;
    struct mf_packed_nonzeros packed;
    int tile_count[CALL_ROWS];
};

/* Weights of every kind, no gradient and no moments. */
static void make_operands(struct operands *o, float keep)
{
    static const float odd[] = {-0.0f,   0.0f,     0x1p-149f, -0x1p-149f, 0x1.8p-130f,   FLT_MIN,
                                FLT_MAX, -FLT_MAX, 1.0f,      -1.0f,      0x1.fffffep-1f};
    enum { ODD = sizeof odd / sizeof *odd };
    struct random random = random_from(710, 0, 0, 0);
    o->packed =
        (struct mf_packed_nonzeros){.depth = SAMPLES, .rows = CALL_ROWS, .count = o->tile_count}; /* all is black */
    o->packed.offset = guarded_new((CALL_ROWS * SAMPLES + MF_INDEX_AHEAD) * sizeof(int32_t));
    o->packed.value = guarded_new((CALL_ROWS * SAMPLES + MF_PANEL) * sizeof(float));
    memset(o->tile_count, 0, sizeof o->tile_count);
    memset(o->packed.offset, 0, (CALL_ROWS * SAMPLES + MF_INDEX_AHEAD) * sizeof(int32_t));
    o->op = (struct mf_weight_update){
        .x = matrix_new(SAMPLES, 1),
        .packed = &o->packed,
        .dz = matrix_new(SAMPLES, PANELS),
        .samples = SAMPLES,
        .w = matrix_new(ROWS, PANELS),
        .m = matrix_new(ROWS, PANELS),
        .v = matrix_new(ROWS, PANELS),
        .adam = adam_at_step(7),
    };
    o->op.adam.keep = keep;
    matrix_fill(o->op.x, SAMPLES, 1, MF_PANEL, 1.0f, 0.0f, &random);
    matrix_fill(o->op.dz, SAMPLES, PANELS, 0, 0.0f, 0.0f, &random);
    matrix_fill(o->op.m, ROWS, PANELS, 0, 0.0f, 0.0f, &random);
    matrix_fill(o->op.v, ROWS, PANELS, 0, 0.0f, 0.0f, &random);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < PANELS * MF_PANEL; j++) {
            const int kind = random_below(&random, 2 * ODD);
            *mf_at(o->op.w, i, j) = kind < ODD ? odd[kind] : 0.1f * random_real(&random);
        }
}

/* How many rows the kernel has updated, from row 0. */
static int update(const struct mf_kernels *isa, int kernel, const struct operands *o, bool *finite)
{
    if (kernel == 0)
        *finite = isa->weight_update(&o->op, 0, ROWS, 0, PANELS);
    else if (kernel == 1)
        *finite = isa->weight_update_sparse(&o->op, 0, ROWS, 0, PANELS);
    else
        *finite = isa->bias_update(&o->op, 0, 0, PANELS);
    return kernel == 2 ? 1 : ROWS;
}

/* Without a gradient, what is left of a weight is w * keep; with keep = 1 every bit of it, whatever it is. */
START_TEST(without_a_gradient)
{
    static const float keeps[] = {1.0f, 0.75f, 0.99999f, 0.0f, -1.0f};
    for (int isa = 0; isa < support_isa_count; isa++)
        for (size_t k = 0; k < sizeof keeps / sizeof *keeps; k++) {
            support_case("%s/%s, keep %g", kernel_name[_i], support_isas[isa]->name, (double)keeps[k]);
            struct operands o;
            make_operands(&o, keeps[k]);
            float before[ROWS][PANELS * MF_PANEL];
            for (int i = 0; i < ROWS; i++)
                for (int j = 0; j < PANELS * MF_PANEL; j++)
                    before[i][j] = *mf_at(o.op.w, i, j);
            bool finite;
            const int rows = update(support_isas[isa], _i, &o, &finite);
            ck_assert(finite);
            for (int i = 0; i < rows; i++)
                for (int j = 0; j < PANELS * MF_PANEL; j++) {
                    /* adding the step, -0, keeps every bit */
                    const float expected = keeps[k] == 1.0f ? before[i][j] : before[i][j] * keeps[k],
                                *w = mf_at(o.op.w, i, j);
                    if (memcmp(w, &expected, sizeof expected) != 0)
                        support_fail("%a became %a, expected %a", (double)before[i][j], (double)*w, (double)expected);
                }
            guarded_release();
        }
}
END_TEST

/* ---- Constants ---- */

START_TEST(constants)
{
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    ck_assert(mf_adam_constants(&config, config.learning_rate, 1).keep == 1.0f);
    config.weight_decay = 0.1;
    ck_assert(mf_adam_constants(&config, 0.5, 3).keep == (float)0.95);
    ck_assert(mf_adam_constants(&config, 0.25, 3).keep == (float)0.975); /* it follows the schedule */
    ck_assert(mf_adam_constants(&config, 0.25, 3).rate != mf_adam_constants(&config, 0.5, 3).rate);
}
END_TEST

/* ---- Trainings ---- */

static mnist_fast *trained(const mnist_fast_config *config, const struct mf_kernels *isa, int threads, bool dense,
                           int epochs)
{
    mnist_fast *network = network_new(config, isa, threads, dense);
    train(network, &images, epochs, NULL, NULL);
    return network;
}

static const int hidden[] = {17, 9};

static mnist_fast_config decaying(double decay)
{
    mnist_fast_config config = config_of(BATCH, 0.1, 2, hidden);
    config.learning_rate = 0.01f;
    config.weight_decay = decay;
    return config;
}

/* A pixel that is black in every image has no gradient: its weights only decay, by the rate of each step. The biases
 * of a first step are what they are without decay. */
START_TEST(weights_decay_and_biases_do_not)
{
    enum { PIXEL = 300 };
    for (size_t i = 0; i < images.count; i++)
        ((uint8_t *)images.pixels)[i * MNIST_FAST_PIXELS + PIXEL] = 0;
    mnist_fast_config config = decaying(0.5);
    config.schedule = MNIST_FAST_COSINE;
    config.schedule_epochs = EPOCHS;
    config.warmup_steps = 3;
    mnist_fast *first = network_new(&config, support_isas[0], 2, false),
               *last = trained(&config, support_isas[0], 2, false, EPOCHS);
    for (int unit = 0; unit < hidden[0]; unit++) {
        float expected = *mf_at(first->layer[0].w, PIXEL, unit);
        for (uint64_t step = 1; step <= EPOCHS * BATCHES; step++)
            expected *= (float)(1.0 - mf_learning_rate(&config, step, EPOCHS * BATCHES) * 0.5);
        ck_assert(expected == *mf_at(last->layer[0].w, PIXEL, unit));
        ck_assert(fabsf(expected) < fabsf(*mf_at(first->layer[0].w, PIXEL, unit)));
    }
    mnist_fast_free(first);
    mnist_fast_free(last);

    mnist_fast *networks[2];
    for (int i = 0; i < 2; i++) {
        config = decaying(0.5 * i);
        config.batch_size = IMAGES; /* one step */
        networks[i] = network_new(&config, support_isas[0], 1, false);
        for (int l = 0; l < networks[i]->layers; l++) /* zero would decay to zero */
            for (int unit = 0; unit < networks[i]->layer[l].out; unit++)
                *mf_at(networks[i]->layer[l].w, networks[i]->layer[l].bias_row, unit) = 0.5f;
        train(networks[i], &images, 1, NULL, NULL);
    }
    for (int tensor = 0; tensor < mf_tensor_count(networks[0]); tensor++) {
        float *plain = tensor_new(networks[0], tensor, MF_WEIGHT),
              *decayed = tensor_new(networks[1], tensor, MF_WEIGHT);
        const bool bias = tensor % 2;
        size_t differ = 0;
        for (size_t i = 0; i < mf_tensor_size(networks[0], tensor); i++)
            differ += plain[i] != decayed[i];
        ck_assert_msg(bias ? differ == 0 : differ > 0, "tensor %d: %zu numbers differ", tensor, differ);
        free(plain);
        free(decayed);
    }
    mnist_fast_free(networks[0]);
    mnist_fast_free(networks[1]);
}
END_TEST

START_TEST(one_model)
{
    const mnist_fast_config config = decaying(0.3), plain = decaying(0);
    mnist_fast *network = trained(&config, support_scalar, 1, true, EPOCHS);
    const uint32_t expected = mnist_fast_weights_crc32(network);
    mnist_fast_free(network);
    network = trained(&plain, support_scalar, 1, true, EPOCHS);
    ck_assert_uint_ne(mnist_fast_weights_crc32(network), expected);
    mnist_fast_free(network);
    for (int isa = 0; isa < support_isa_count; isa++)
        for (int threads = 1; threads <= 3; threads++) {
            support_case("%s, %d threads", support_isas[isa]->name, threads);
            network = trained(&config, support_isas[isa], threads, threads == 2, EPOCHS);
            ck_assert_uint_eq(mnist_fast_weights_crc32(network), expected);
            mnist_fast_free(network);
        }
}
END_TEST

int main(void)
{
    support_begin();
    support_announce_isas();
    Suite *suite = suite_create("weight_decay");
    TCase *kernels = tcase_create("kernels");
    tcase_add_loop_test(kernels, without_a_gradient, 0, KERNELS);
    tcase_add_test(kernels, constants);
    suite_add_tcase(suite, kernels);
    TCase *training = tcase_create("training");
    tcase_set_timeout(training, 60);
    tcase_add_checked_fixture(training, trainings_begin, trainings_end);
    tcase_add_test(training, weights_decay_and_biases_do_not);
    tcase_add_test(training, one_model);
    suite_add_tcase(suite, training);
    return support_run(suite);
}
