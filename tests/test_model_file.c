/* Models and checkpoints: what is written comes back, and files of PyTorch are read. */
#include "models.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const struct {
    int count;
    int hidden[MNIST_FAST_MAX_HIDDEN];
} shapes[] = {
    {1, {1}}, {2, {7, 5}}, {3, {16, 17, 33}}, {1, {500}}, {16, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

START_TEST(model_comes_back)
{
    support_case("shape %d", _i);
    mnist_fast *network = random_network(shapes[_i].hidden, shapes[_i].count, 1);
    network->config.seed = UINT64_MAX - 1;
    network->config.batch_size = MNIST_FAST_MAX_BATCH;
    network->config.learning_rate = 0.1f;
    network->position = (struct mf_position){.epoch = 5, .batch = 3, .step = 273, .loss = 0.5, .correct = 7};
    network->moments = true;
    save(network, model_path);

    mnist_fast *again = load(model_path);
    expect_same_tensors(network, again, MF_WEIGHT);
    ck_assert_int_eq(again->config.hidden_count, shapes[_i].count);
    ck_assert_mem_eq(again->config.hidden, shapes[_i].hidden, sizeof(int) * (size_t)shapes[_i].count);
    ck_assert_uint_eq(again->config.seed, UINT64_MAX - 1);
    ck_assert_int_eq(again->config.batch_size, MNIST_FAST_MAX_BATCH);
    ck_assert(again->config.learning_rate == 0.1f);
    ck_assert_int_eq(again->position.epoch, 5);
    ck_assert_int_eq(again->position.batch, 0);
    ck_assert_uint_eq(again->position.step, 0);
    ck_assert(!again->moments);

    ck_assert_uint_eq(mnist_fast_weights_crc32(network), tensors_crc32(network, MF_WEIGHT));
    ck_assert_uint_eq(mnist_fast_weights_crc32(again), tensors_crc32(network, MF_WEIGHT));

    /* The same model gives the same bytes, whatever became of the training around it. */
    const struct bytes first = file_read(model_path);
    network->position = (struct mf_position){.epoch = 5};
    save(network, in_folder("second"));
    file_expect(in_folder("second"), first);
    save(again, model_path);
    file_expect(model_path, first);

    /* The header is padded, and what is left is the weights. */
    uint64_t length = 0;
    memcpy(&length, first.data, sizeof length);
    ck_assert_uint_eq((8 + length) % 64, 0);
    ck_assert_uint_eq(crc32(0, first.data + 8 + length, (uInt)(first.size - 8 - length)),
                      tensors_crc32(network, MF_WEIGHT));
    free(first.data);
    mnist_fast_free(network);
    mnist_fast_free(again);
}
END_TEST

/* Hard to print and to read back; 0.1 and 1/3 have no end in binary. */
static const double reals[] = {0.1, 1.0 / 3, 0.5, DBL_MIN, DBL_EPSILON, 5e-324, 0.9999999999999999};
enum { REALS = sizeof reals / sizeof *reals };

START_TEST(checkpoint_comes_back)
{
    support_case("real %d", _i);
    mnist_fast *network = small_network(2);
    network->config = (mnist_fast_config){
        .size = sizeof network->config,
        .hidden = {7, 5},
        .hidden_count = 2,
        .batch_size = 17,
        .learning_rate = (float)fmax(reals[_i], FLT_MIN) * 1.5f,
        .beta1 = (float)fmin(reals[_i], 0.99),
        .beta2 = nextafterf(1, 0),
        .epsilon = fmaxf((float)reals[_i], 0x1p-149f),
        .validation_fraction = reals[_i],
        .shuffle_buffer = INT32_MAX,
        .seed = UINT64_MAX,
    };
    network->position = (struct mf_position){
        .epoch = INT32_MAX, .batch = 1234567, .step = UINT64_MAX, .loss = reals[_i] * 1e300, .correct = UINT64_MAX};
    network->moments = true;
    save_checkpoint(network, model_path, 0xfedcba98);
    mnist_fast *again;
    uint32_t data_crc32;
    if (mnist_fast_load_checkpoint(model_path, &model_runtime, &again, &data_crc32, &model_error))
        support_fail("load_checkpoint: %s", model_error.text);
    for (int kind = MF_WEIGHT; kind <= MF_MOMENT2; kind++)
        expect_same_tensors(network, again, kind);
    const mnist_fast_config *const a = &network->config, *const b = &again->config;
    ck_assert_mem_eq(a->hidden, b->hidden, sizeof(int) * 2);
    ck_assert_int_eq(a->hidden_count, b->hidden_count);
    ck_assert_int_eq(a->batch_size, b->batch_size);
    ck_assert_mem_eq(&a->learning_rate, &b->learning_rate, sizeof(float));
    ck_assert_mem_eq(&a->beta1, &b->beta1, sizeof(float));
    ck_assert_mem_eq(&a->beta2, &b->beta2, sizeof(float));
    ck_assert_mem_eq(&a->epsilon, &b->epsilon, sizeof(float));
    ck_assert_mem_eq(&a->validation_fraction, &b->validation_fraction, sizeof(double));
    ck_assert_int_eq(a->shuffle_buffer, b->shuffle_buffer);
    ck_assert_uint_eq(a->seed, b->seed);
    const struct mf_position *const p = &network->position, *const q = &again->position;
    ck_assert_int_eq(p->epoch, q->epoch);
    ck_assert_int_eq(p->batch, q->batch);
    ck_assert_uint_eq(p->step, q->step);
    ck_assert_mem_eq(&p->loss, &q->loss, sizeof(double));
    ck_assert_uint_eq(p->correct, q->correct);
    ck_assert_uint_eq(data_crc32, 0xfedcba98);
    ck_assert(again->moments);

    const struct bytes first = file_read(model_path);
    uint64_t length;
    memcpy(&length, first.data, sizeof length);
    first.data[8 + length - 1] = '\0'; /* the last of its spaces, or the brace */
    ck_assert_ptr_nonnull(strstr((char *)first.data + 8, "\"0.weight.exp_avg\":{\"dtype\":\"F32\",\"shape\":[7,784],"
                                                         "\"data_offsets\":[22380,44332]}"));
    ck_assert_ptr_nonnull(strstr((char *)first.data + 8, "\"4.bias.exp_avg_sq\":{\"dtype\":\"F32\",\"shape\":[10],"
                                                         "\"data_offsets\":[67100,67140]}"));
    for (int kind = MF_WEIGHT; kind <= MF_MOMENT2; kind++) {
        const uint8_t *of_kind = first.data + 8 + length + kind * SMALL_DATA;
        ck_assert_uint_eq(crc32(0, of_kind, SMALL_DATA), tensors_crc32(network, kind));
    }
    free(first.data);

    const struct bytes second = file_read(model_path);
    save_checkpoint(again, model_path, data_crc32);
    file_expect(model_path, second);
    free(second.data);

    /* A checkpoint is a model too. */
    mnist_fast *model = load(model_path);
    expect_same_tensors(network, model, MF_WEIGHT);
    mnist_fast_free(model);
    mnist_fast_free(network);
    mnist_fast_free(again);
}
END_TEST

START_TEST(locale_does_not_matter)
{
    mnist_fast *network = small_network(3);
    save(network, model_path);
    const struct bytes expected = file_read(model_path);
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8"))
        printf("SKIP: no locale with a decimal comma here\n");
    save(network, model_path);
    file_expect(model_path, expected);
    mnist_fast_free(load(model_path));
    free(expected.data);
    mnist_fast_free(network);
}
END_TEST

/* ---- files of PyTorch ---- */

static const char *const torch_headers[] = {
    "{" TORCH_TENSORS "}",
    "{\"__metadata__\":{\"format\":\"pt\"}," TORCH_TENSORS "}     ",
    "{\"__metadata__\":{}, " TORCH_TENSORS "\n\t}",
};

START_TEST(torch_file_is_read)
{
    support_case("header %d", _i);
    mnist_fast *network = small_network(4);
    free(write_torch_file(torch_headers[_i], network).data);
    mnist_fast *again = load(model_path);
    expect_same_tensors(network, again, MF_WEIGHT);
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    ck_assert_int_eq(again->config.batch_size, config.batch_size);
    ck_assert_uint_eq(again->config.seed, config.seed);
    ck_assert_int_eq(again->position.epoch, 0);
    ck_assert(!again->moments);
    mnist_fast_free(network);
    mnist_fast_free(again);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("model_file");
    TCase *round = tcase_create("what is written comes back");
    tcase_add_checked_fixture(round, model_folder_make, folder_remove);
    tcase_add_loop_test(round, model_comes_back, 0, SHAPES);
    tcase_add_loop_test(round, checkpoint_comes_back, 0, REALS);
    tcase_add_test(round, locale_does_not_matter);
    tcase_add_loop_test(round, torch_file_is_read, 0, sizeof torch_headers / sizeof *torch_headers);
    suite_add_tcase(suite, round);
    return support_run(suite);
}
