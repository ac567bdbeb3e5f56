/* Numbers that are not finite: where training detects them, and that none is ever used or written. */
#include "engine/model_file.h"
#include "engine/sampler.h"
#include "guarded.h"
#include "matrix.h"
#include "models.h"
#include "trainings.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- The kernels report them ---- */

enum { ROWS = 16, CALL_ROWS = 48, PANELS = 5, SAMPLES = 3, KERNELS = 3 };
static const char *const kernel_name[KERNELS] = {"weight_update", "weight_update_sparse", "bias_update"};

static bool update(const struct mf_kernels *isa, int kernel, const struct mf_weight_update *op)
{
    return kernel == 0   ? isa->weight_update(op, 1, ROWS - 1, 1, PANELS - 1)
           : kernel == 1 ? isa->weight_update_sparse(op, 1, ROWS - 1, 1, PANELS - 1)
                         : isa->bias_update(op, 1, 1, PANELS - 1);
}

/* One number that is bad, or becomes it: in w, in m, in v, or a gradient whose square is infinite (then v is, and w is
 * not), in every row and column. Those outside the part that is updated are not looked at. */
START_TEST(kernels_tell)
{
    static const float bad[] = {INFINITY, -INFINITY, NAN, 1e25f};
    const int kernel = _i;
    struct random random = random_from(720, 0, 0, 0);
    struct mf_packed_nonzeros packed = {.depth = SAMPLES, .rows = CALL_ROWS};
    packed.count = guarded_new(CALL_ROWS * sizeof(int));
    packed.offset = guarded_new((CALL_ROWS * SAMPLES + MF_INDEX_AHEAD) * sizeof(int32_t));
    packed.value = guarded_new((CALL_ROWS * SAMPLES + MF_PANEL) * sizeof(float));
    memset(packed.offset, 0, (CALL_ROWS * SAMPLES + MF_INDEX_AHEAD) * sizeof(int32_t));
    uint8_t *pixels = guarded_new(SAMPLES * MF_INPUTS + 16);
    memset(pixels, 255, SAMPLES * MF_INPUTS + 16);
    struct mf_matrix of[4];
    for (int i = 0; i < 4; i++)
        of[i] = matrix_new(i == 3 ? SAMPLES : ROWS, PANELS);
    const struct mf_weight_update op = {.x = matrix_new(SAMPLES, 1),
                                        .packed = &packed,
                                        .dz = of[3],
                                        .samples = SAMPLES,
                                        .w = of[0],
                                        .m = of[1],
                                        .v = of[2],
                                        .adam = adam_at_step(7)};
    matrix_fill(op.x, SAMPLES, 1, 0, 0.0f, 1.0f, &random);
    for (int i = 0; i < 4; i++)
        matrix_fill(of[i], i == 3 ? SAMPLES : ROWS, PANELS, 0, 0.0f, 0.5f, &random);
    for (int isa = 0; isa < support_isa_count; isa++) {
        support_isas[isa]->pack_pixels(pixels, SAMPLES, 1, ROWS - 1, &packed);
        ck_assert(update(support_isas[isa], kernel, &op));
        for (int i = 0; i < 4; i++)
            for (int row = 0; row < (i == 3 ? SAMPLES : ROWS); row++)
                for (int column = 0; column < PANELS * MF_PANEL; column++)
                    for (size_t b = i == 3 ? 3 : 0; b < (i == 3 ? 4 : 3); b++) {
                        support_case("%s/%s: %a in %c, row %d, column %d", kernel_name[kernel], support_isas[isa]->name,
                                     (double)bad[b], "wmvg"[i], row, column);
                        float *const at = mf_at(of[i], row, column), before = *at;
                        *at = bad[b];
                        const bool here = column >= MF_PANEL && column < (PANELS - 1) * MF_PANEL &&
                                          (i == 3 || (row >= 1 && row < (kernel == 2 ? 2 : ROWS - 1)));
                        if (update(support_isas[isa], kernel, &op) == here)
                            support_fail("the kernel says %s", here ? "finite" : "not finite");
                        *at = before;
                        for (int k = 0; here && k < 3; k++)
                            matrix_fill(of[k], ROWS, PANELS, 0, 0.0f, 0.5f, &random);
                    }
    }
    guarded_release();
}
END_TEST

/* ---- Training detects them ---- */

static const int hidden[] = {17, 9};

#define WEIGHTS "the weights or moments are not finite: "
#define LOSS "the loss is not finite: "
static const struct divergence {
    float learning_rate, beta1;
    double decay;
    int batch;
    const char *says;
} divergences[] = {
    {3e38f, 0.9f, 0, IMAGES, WEIGHTS "epoch 1, batch 1,"}, /* in the only update of an epoch: the rate is infinite */
    {1e38f, 0.9f, 0, BATCH, WEIGHTS "epoch 1, batch 1,"},
    {1e12f, 0.9f, 0, BATCH, WEIGHTS "epoch 1, batch 2,"}, /* a second moment, of a gradient above 1e19 */
    {1e9f, 0.9f, 0, IMAGES, WEIGHTS "epoch 2, batch 1,"},
    {1e30f, 0.9f, 0, BATCH, LOSS "epoch 1, batch 2,"},
    {1e38f, 0.0f, 0, 7, LOSS "epoch 1, batch 2,"},
    {1e12f, 0.9f, 0, IMAGES, "the validation loss is not finite: epoch 1, batch 1,"},
    {1e-3f, 0.9f, 1e4, BATCH, WEIGHTS "epoch 3, batch 2,"}, /* weights grow ninefold a step */
};
enum { DIVERGENCES = sizeof divergences / sizeof *divergences, MANY = 20 };

static mnist_fast *diverging(const struct divergence *d, const struct mf_kernels *isa, int threads, bool dense)
{
    mnist_fast_config config = config_of(d->batch, 0.1, 2, hidden);
    config.learning_rate = d->learning_rate;
    config.beta1 = d->beta1;
    config.weight_decay = d->decay;
    return network_new(&config, isa, threads, dense);
}

/* Whatever is saved on the way can be loaded: nothing in it is not finite. */
static int save_everything(const mnist_fast_progress *progress, void *network)
{
    (void)progress;
    save(network, in_folder("model"));
    save_checkpoint(network, in_folder("checkpoint"), 0);
    mnist_fast_free(load(in_folder("model")));
    mnist_fast_free(load(in_folder("checkpoint")));
    return 0;
}

/* The same step on every instruction set, by every team, with zeros skipped and not. */
START_TEST(training_notices)
{
    const struct divergence *d = &divergences[_i];
    mnist_fast_error expected, error;
    mnist_fast *network = diverging(d, support_scalar, 1, true);
    support_case("learning rate %g, batches of %d, decay %g", (double)d->learning_rate, d->batch, d->decay);
    expect_status("train", mnist_fast_train(network, &images, MANY, save_everything, network, &expected),
                  MNIST_FAST_DIVERGED);
    ck_assert_msg(strstr(expected.text, d->says), "%s", expected.text);
    const mnist_fast_position at = mnist_fast_get_position(network);
    mnist_fast_free(network);
    for (int isa = 0; isa < support_isa_count; isa++)
        for (int threads = 1; threads <= 3; threads++)
            for (int dense = 0; dense < 2; dense++) {
                support_case("learning rate %g, batches of %d, %s, %d threads, dense %d", (double)d->learning_rate,
                             d->batch, support_isas[isa]->name, threads, dense);
                network = diverging(d, support_isas[isa], threads, dense);
                expect_status("train", mnist_fast_train(network, &images, MANY, NULL, NULL, &error),
                              MNIST_FAST_DIVERGED);
                ck_assert_str_eq(error.text, expected.text);
                expect_position(network, at.epoch, at.batch, at.step);
                mnist_fast_free(network);
            }
}
END_TEST

/* From then on every use of the network is this error, and files stay as they are. */
START_TEST(diverged_stays_diverged)
{
    mnist_fast *network = new_network(2);
    save(network, in_folder("model"));
    save_checkpoint(network, in_folder("checkpoint"), 0);
    const struct bytes model = file_read(in_folder("model")), checkpoint = file_read(in_folder("checkpoint"));
    const int names = names_in(folder);
    mnist_fast_free(network);
    network = diverging(&divergences[_i], support_isas[0], 2, false);
    mnist_fast_error error;
    expect_status("train", mnist_fast_train(network, &images, MANY, NULL, NULL, NULL), MNIST_FAST_DIVERGED);
    const mnist_fast_position at = mnist_fast_get_position(network);
    mnist_fast_config config;
    mnist_fast_get_config(network, &config, sizeof config);
    config.learning_rate = 0.001f;
    ck_assert_int_eq(mnist_fast_set_config(network, &config, NULL), MNIST_FAST_OK);
    for (int round = 0; round < 2; round++) { /* in every order */
        expect_status("train", mnist_fast_train(network, &images, MANY, NULL, NULL, &error), MNIST_FAST_DIVERGED);
        ck_assert_ptr_nonnull(strstr(error.text, "has diverged"));
        expect_status("train", mnist_fast_train(network, &images, 0, NULL, NULL, &error), MNIST_FAST_DIVERGED);
        uint8_t digits[IMAGES];
        expect_status("predict", mnist_fast_predict(network, &images, digits, NULL, &error), MNIST_FAST_DIVERGED);
        mnist_fast_metrics metrics;
        expect_status("evaluate", mnist_fast_evaluate(network, &images, &metrics, NULL, &error), MNIST_FAST_DIVERGED);
        expect_status("save", mnist_fast_save(network, in_folder("model"), &error), MNIST_FAST_DIVERGED);
        ck_assert_ptr_eq(strstr(error.text, in_folder("model")), error.text);
        expect_status("save_checkpoint", mnist_fast_save_checkpoint(network, in_folder("checkpoint"), 0, &error),
                      MNIST_FAST_DIVERGED);
        expect_status("save", mnist_fast_save(network, in_folder("another"), &error), MNIST_FAST_DIVERGED);
        mnist_fast_restart_epoch(network);
    }
    file_expect(in_folder("model"), model);
    file_expect(in_folder("checkpoint"), checkpoint);
    ck_assert_int_eq(names_in(folder), names);
    ck_assert_uint_eq(mnist_fast_get_position(network).step, at.step);
    free(model.data);
    free(checkpoint.data);
    mnist_fast_free(network);
}
END_TEST

/* One number of any tensor, in a network that does not know of it: nothing is written, and the old files stay. */
START_TEST(saving_looks_at_every_number)
{
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    mnist_fast *network = new_network(2);
    train(network, &images, EPOCHS, NULL, NULL);
    save(network, in_folder("model"));
    save_checkpoint(network, in_folder("checkpoint"), 0);
    const struct bytes model = file_read(in_folder("model")), checkpoint = file_read(in_folder("checkpoint"));
    const int names = names_in(folder);
    for (int kind = MF_WEIGHT; kind <= MF_MOMENT2; kind++)
        for (int tensor = 0; tensor < mf_tensor_count(network); tensor++) {
            const struct mf_tensor_name name = mf_tensor_name(network, tensor, kind);
            const size_t size = mf_tensor_size(network, tensor), places[] = {0, size / 2, size - 1};
            float *const values = tensor_new(network, tensor, kind);
            for (int i = 0; i < 9; i++) {
                support_case("%a at %zu of %s", (double)bad[i / 3], places[i % 3], name.text);
                const float before = values[places[i % 3]];
                values[places[i % 3]] = bad[i / 3];
                mf_tensor_set(network, tensor, kind, values);
                values[places[i % 3]] = before;
                mnist_fast_error error = {""};
                expect_status("save_checkpoint",
                              mnist_fast_save_checkpoint(network, in_folder("checkpoint"), 0, &error),
                              MNIST_FAST_DIVERGED);
                ck_assert_ptr_eq(strstr(error.text, in_folder("checkpoint")), error.text);
                ck_assert_msg(strstr(error.text, name.text) && strstr(error.text, "is not finite"), "%s", error.text);
                expect_status("save", mnist_fast_save(network, in_folder("model"), &error),
                              kind == MF_WEIGHT ? MNIST_FAST_DIVERGED : MNIST_FAST_OK);
                mnist_fast_weights_crc32(network); /* of whatever there is */
                mf_tensor_set(network, tensor, kind, values);
            }
            free(values);
        }
    file_expect(in_folder("model"), model);
    file_expect(in_folder("checkpoint"), checkpoint);
    ck_assert_int_eq(names_in(folder), names);
    save_checkpoint(network, in_folder("checkpoint"), 0);
    file_expect(in_folder("checkpoint"), checkpoint);
    free(model.data);
    free(checkpoint.data);
    mnist_fast_free(network);
}
END_TEST

static void fill_tensor(mnist_fast *network, int tensor, float value)
{
    const size_t size = mf_tensor_size(network, tensor);
    float *values = malloc(size * sizeof *values);
    for (size_t i = 0; i < size; i++)
        values[i] = value;
    mf_tensor_set(network, tensor, MF_WEIGHT, values);
    free(values);
}

/* Weights that are too large for an image with ink: only those held out have any. */
START_TEST(validation_is_looked_at)
{
    mnist_fast_config config = config_of(BATCH, 0.1, 2, hidden);
    config.learning_rate = FLT_MIN;
    struct mf_split split;
    mnist_fast_error error;
    ck_assert_int_eq(mf_split_make(config.seed, IMAGES, 0.1, &split, &error), MNIST_FAST_OK);
    memset((uint8_t *)images.pixels, 0, (size_t)IMAGES * MNIST_FAST_PIXELS);
    memset((uint8_t *)images.pixels + (size_t)split.validation[5] * MNIST_FAST_PIXELS, 255, 3);
    mf_split_free(&split);
    for (int threads = 1; threads <= 3; threads++) {
        mnist_fast *network = network_new(&config, support_isas[0], threads, false);
        fill_tensor(network, 0, 3e38f);
        expect_status("train", mnist_fast_train(network, &images, 1, save_everything, network, &error),
                      MNIST_FAST_DIVERGED);
        ck_assert_ptr_eq(strstr(error.text, "the validation loss is not finite: epoch 1, batch 5,"), error.text);
        expect_status("train", mnist_fast_train(network, &images, 1, NULL, NULL, &error), MNIST_FAST_DIVERGED);
        mnist_fast_free(network);
    }
}
END_TEST

/* ---- Finite weights that are of no use ---- */

START_TEST(too_large_to_predict)
{
    for (int isa = 0; isa < support_isa_count; isa++)
        for (int threads = 1; threads <= 3; threads++)
            for (int bad = -1; bad < IMAGES; bad += IMAGES / 4 + 1) { /* which of the images has ink */
                support_case("%s, %d threads, image %d", support_isas[isa]->name, threads, bad);
                const mnist_fast_config config = config_of(BATCH, 0.1, 2, hidden);
                mnist_fast *network = network_new(&config, support_isas[isa], threads, false);
                for (int tensor = 0; tensor < 6; tensor += 2)
                    fill_tensor(network, tensor, 3e38f);
                memset((uint8_t *)images.pixels, 0, (size_t)IMAGES * MNIST_FAST_PIXELS);
                if (bad >= 0)
                    memset((uint8_t *)images.pixels + (size_t)bad * MNIST_FAST_PIXELS, 255, MNIST_FAST_PIXELS);
                const mnist_fast_status expected = bad < 0 ? MNIST_FAST_OK : MNIST_FAST_DIVERGED;
                mnist_fast_error error;
                uint8_t digits[IMAGES];
                float probabilities[IMAGES][MNIST_FAST_CLASSES];
                mnist_fast_metrics metrics = {-1, -1};
                expect_status("digits", mnist_fast_predict(network, &images, digits, NULL, &error), expected);
                expect_status("probabilities", mnist_fast_predict(network, &images, NULL, probabilities[0], &error),
                              expected);
                expect_status("evaluate", mnist_fast_evaluate(network, &images, &metrics, NULL, &error), expected);
                ck_assert((metrics.loss == -1) == (bad >= 0));
                if (bad >= 0)
                    ck_assert_ptr_nonnull(strstr(error.text, "not finite"));
                const mnist_fast_images one = {images.pixels + (size_t)(bad < 0 ? 0 : bad) * MNIST_FAST_PIXELS,
                                               images.labels, 1};
                expect_status("one image", mnist_fast_predict(network, &one, digits, NULL, &error), expected);
                save(network, in_folder("finite")); /* it is finite, and can be kept */
                mnist_fast_free(load(in_folder("finite")));
                mnist_fast_free(network);
            }
}
END_TEST

/* Probabilities of 0 and 1, where the loss of a wrong one is infinite: a prediction, but no evaluation. */
START_TEST(infinite_loss)
{
    static const int one[] = {1};
    const mnist_fast_config config = config_of(BATCH, 0.1, 1, one);
    mnist_fast *network = network_new(&config, support_isas[0], 2, false);
    fill_tensor(network, 0, 1e10f);
    float last[MNIST_FAST_CLASSES] = {0, -3e38f}; /* of the digit 1: minus infinity */
    mf_tensor_set(network, 2, MF_WEIGHT, last);
    memset((uint8_t *)images.labels, 0, IMAGES);
    memset((uint8_t *)images.pixels, 255, (size_t)IMAGES * MNIST_FAST_PIXELS);
    mnist_fast_error error;
    mnist_fast_metrics metrics;
    float probabilities[IMAGES][MNIST_FAST_CLASSES];
    expect_status("predict", mnist_fast_predict(network, &images, NULL, probabilities[0], &error), MNIST_FAST_OK);
    ck_assert(probabilities[0][1] == 0 && probabilities[0][0] > 0.1f);
    expect_status("evaluate", mnist_fast_evaluate(network, &images, &metrics, NULL, &error), MNIST_FAST_OK);
    ((uint8_t *)images.labels)[IMAGES - 1] = 1;
    expect_status("predict", mnist_fast_predict(network, &images, NULL, probabilities[0], &error), MNIST_FAST_OK);
    expect_status("evaluate", mnist_fast_evaluate(network, &images, &metrics, NULL, &error), MNIST_FAST_DIVERGED);
    ck_assert_ptr_eq(strstr(error.text, "the loss is not finite"), error.text);
    mnist_fast_free(network);
}
END_TEST

int main(void)
{
    support_begin();
    support_announce_isas();
    Suite *suite = suite_create("divergence");
    TCase *kernels = tcase_create("kernels");
    tcase_set_timeout(kernels, 60);
    tcase_add_loop_test(kernels, kernels_tell, 0, KERNELS);
    suite_add_tcase(suite, kernels);
    TCase *training = tcase_create("training");
    tcase_set_timeout(training, 60);
    tcase_add_checked_fixture(training, trainings_begin, trainings_end);
    tcase_add_loop_test(training, training_notices, 0, DIVERGENCES);
    tcase_add_loop_test(training, diverged_stays_diverged, 0, DIVERGENCES);
    tcase_add_test(training, saving_looks_at_every_number);
    tcase_add_test(training, validation_is_looked_at);
    tcase_add_test(training, too_large_to_predict);
    tcase_add_test(training, infinite_loss);
    suite_add_tcase(suite, training);
    return support_run(suite);
}
