/* Which images a step trains on: the split, the order of an epoch, and the order in a batch. */
#include "engine/sampler.h"

#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const struct {
    size_t count;
    double share;
    size_t held;
} splits[] = {
    {60000, 0.1, 6000}, {60000, 0, 0},   {60000, 0.5, 30000}, {1, 0, 0},     {1, 0.9, 0},
    {2, 0.5, 1},        {2, 0.99, 1},    {10, 0.05, 1},       {10, 0.04, 0}, {10, 0.999, 9},
    {7, 0.6, 4},        {1000, 1e-9, 0}, {999, 1 / 3., 333},
};

START_TEST(split_is_disjoint_complete_and_ascending)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
            const size_t count = splits[i].count;
            support_case("split %zu by %g, its seed %d", count, splits[i].share, (int)seed);
            struct mf_split split;
            ck_assert_int_eq(mf_split_make(seed, count, splits[i].share, &split, NULL), MNIST_FAST_OK);
            if (split.validation_count != splits[i].held || split.train_count != count - splits[i].held)
                support_fail("%zu + %zu", split.train_count, split.validation_count);
            uint8_t *seen = calloc(count, 1);
            ck_assert_ptr_nonnull(seen);
            for (int set = 0; set < 2; set++) {
                const uint32_t *indices = set ? split.validation : split.train;
                const size_t size = set ? split.validation_count : split.train_count;
                for (size_t k = 0; k < size; k++) {
                    if (indices[k] >= count || seen[indices[k]]++)
                        support_fail("index %u is out of range or there twice", indices[k]);
                    if (k > 0 && indices[k] <= indices[k - 1])
                        support_fail("set %d doesn't ascend at %zu", set, k);
                }
            }
            free(seen);
            mf_split_free(&split);
            ck_assert_ptr_null(split.train);
            ck_assert_ptr_null(split.validation);
            mf_split_free(&split);
        }
    }
}
END_TEST

START_TEST(split_is_fixed_by_the_seed)
{
    struct mf_split first, second;
    ck_assert_int_eq(mf_split_make(5, 1000, 0.1, &first, NULL), MNIST_FAST_OK);
    for (uint64_t seed = 0; seed < 20; seed++) {
        ck_assert_int_eq(mf_split_make(seed, 1000, 0.1, &second, NULL), MNIST_FAST_OK);
        const bool same = memcmp(first.validation, second.validation, 100 * sizeof *first.validation) == 0;
        ck_assert_msg(same == (seed == 5), "seeds 5 and %d", (int)seed);
        mf_split_free(&second);
    }
    /* The high half of the seed counts too. */
    ck_assert_int_eq(mf_split_make(5 | UINT64_C(1) << 32, 1000, 0.1, &second, NULL), MNIST_FAST_OK);
    ck_assert_mem_ne(first.validation, second.validation, 100 * sizeof *first.validation);
    mf_split_free(&second);
    mf_split_free(&first);
}
END_TEST

/* Over 2000 seeds each of 20 images is held out 500 times, give or take six standard deviations of 19.4. */
START_TEST(split_favours_no_image)
{
    int held[20] = {0};
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct mf_split split;
        ck_assert_int_eq(mf_split_make(seed, 20, 0.25, &split, NULL), MNIST_FAST_OK);
        for (size_t i = 0; i < split.validation_count; i++)
            held[split.validation[i]]++;
        mf_split_free(&split);
    }
    for (int i = 0; i < 20; i++)
        ck_assert_msg(held[i] > 384 && held[i] < 616, "seeds 0 to 1999: image %d held out %d times", i, held[i]);
}
END_TEST

START_TEST(split_refuses)
{
    static const struct {
        size_t count;
        double share;
    } wrong[] = {{0, 0.1}, {SIZE_MAX, 0.1}, {(size_t)1 << 31, 0.1}, {100, 1}, {100, -0.1},
                 {100, 2}, {100, NAN},      {100, INFINITY}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct mf_split split;
        memset(&split, 0x55, sizeof split);
        mnist_fast_error error = {""};
        ck_assert_msg(mf_split_make(1, wrong[i].count, wrong[i].share, &split, &error) == MNIST_FAST_BAD_ARGUMENT,
                      "%zu, %g", wrong[i].count, wrong[i].share);
        ck_assert_ptr_nonnull(strstr(error.text, "(expected "));
        ck_assert_ptr_null(split.train);
        ck_assert_ptr_null(split.validation);
        mf_split_free(&split);
    }
}
END_TEST

/* What an epoch draws. order and buffer end exactly where the contract says. */
static uint32_t *order_of(const uint32_t *indices, size_t count, size_t size, uint64_t seed, uint32_t epoch)
{
    const size_t room = size < count ? size : count;
    uint32_t *buffer = malloc((room + 1) * sizeof *buffer), *order = malloc((count + 1) * sizeof *order);
    ck_assert(buffer && order);
    buffer[room] = order[count] = 0xdeadbeef;
    mf_epoch_order(indices, count, size, seed, epoch, buffer, order);
    ck_assert_uint_eq(buffer[room], 0xdeadbeef);
    ck_assert_uint_eq(order[count], 0xdeadbeef);
    free(buffer);
    return order;
}

/* Every third number from 5 on, so that positions and elements can't be mixed up. */
static uint32_t *some_indices(size_t count)
{
    uint32_t *indices = malloc((count + 1) * sizeof *indices);
    ck_assert_ptr_nonnull(indices);
    for (size_t i = 0; i < count; i++)
        indices[i] = (uint32_t)(5 + 3 * i);
    return indices;
}

START_TEST(order_is_a_permutation_drawn_from_the_window)
{
    static const size_t counts[] = {0, 1, 2, 3, 7, 100, 1001, 54000};
    static const size_t sizes[] = {1, 2, 3, 99, 100, 1000, 10000, 1000000};
    for (int c = 0; c < 8; c++) {
        for (int s = 0; s < 8; s++) {
            for (uint32_t epoch = 0; epoch < 2; epoch++) {
                const size_t count = counts[c], size = sizes[s];
                support_case("order of %zu, buffer %zu, epoch %u", count, size, epoch);
                uint32_t *indices = some_indices(count), *order = order_of(indices, count, size, 1, epoch);
                uint8_t *seen = calloc(count + 1, 1);
                ck_assert_ptr_nonnull(seen);
                for (size_t i = 0; i < count; i++) {
                    const size_t position = (order[i] - 5) / 3;
                    if (order[i] % 3 != 2 || position >= count || seen[position]++)
                        support_fail("element %u at %zu is not one of them or there twice", order[i], i);
                    if (position >= i + size)
                        support_fail("element %zu drawn at %zu, before the buffer held it", position, i);
                }
                free(seen);
                free(order);
                free(indices);
            }
        }
    }
}
END_TEST

START_TEST(order_with_a_buffer_of_one_is_the_given_one)
{
    uint32_t *indices = some_indices(500), *order = order_of(indices, 500, 1, 1, 3);
    ck_assert_mem_eq(order, indices, 500 * sizeof *order);
    free(order);
    free(indices);
}
END_TEST

START_TEST(order_differs_between_epochs_and_seeds)
{
    uint32_t *indices = some_indices(1000), *orders[12];
    for (uint32_t i = 0; i < 12; i++) {
        orders[i] = order_of(indices, 1000, 100, i / 6, i % 6);
        uint32_t *again = order_of(indices, 1000, 100, i / 6, i % 6);
        ck_assert_mem_eq(orders[i], again, 1000 * sizeof *again);
        free(again);
        for (uint32_t k = 0; k < i; k++) {
            int equal = 0;
            for (int at = 0; at < 1000; at++)
                equal += orders[i][at] == orders[k][at];
            /* Two random orders agree in about 1000 / 200 places. */
            ck_assert_msg(equal < 100, "orders %u and %u agree in %d places", i, k, equal);
        }
    }
    for (int i = 0; i < 12; i++)
        free(orders[i]);
    free(indices);
}
END_TEST

/* Whole buffer: over 3000 epochs each of 10 elements comes first 300 times, give or take six deviations of 16.4;
 * and last as often. */
START_TEST(order_favours_no_element)
{
    uint32_t *indices = some_indices(10);
    int first[10] = {0}, last[10] = {0};
    for (uint32_t epoch = 0; epoch < 3000; epoch++) {
        uint32_t *order = order_of(indices, 10, 10, 1, epoch);
        first[(order[0] - 5) / 3]++;
        last[(order[9] - 5) / 3]++;
        free(order);
    }
    for (int i = 0; i < 10; i++) {
        ck_assert_msg(first[i] > 201 && first[i] < 399, "seed 1: element %d comes first %d times of 3000", i, first[i]);
        ck_assert_msg(last[i] > 201 && last[i] < 399, "seed 1: element %d comes last %d times of 3000", i, last[i]);
    }
    free(indices);
}
END_TEST

/* What every training with seed 1 sees; worked out by a second implementation in Python. It must never change. */
START_TEST(split_and_order_never_change)
{
    static const uint32_t validation[] = {0, 10, 16, 21, 49}, train[] = {1, 2, 3, 4, 5},
                          orders[2][5] = {{3143, 9834, 1155, 8852, 8840}, {3979, 8014, 5166, 378, 8764}},
                          crcs[2] = {0x93663bfd, 0xb247cb48};
    struct mf_split split;
    ck_assert_int_eq(mf_split_make(1, 60000, 0.1, &split, NULL), MNIST_FAST_OK);
    ck_assert_mem_eq(split.validation, validation, sizeof validation);
    ck_assert_mem_eq(split.train, train, sizeof train);
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        uint32_t *order = order_of(split.train, split.train_count, 10000, 1, epoch);
        ck_assert_mem_eq(order, orders[epoch], sizeof orders[epoch]);
        if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
            ck_assert_uint_eq(crc32_z(0, (const uint8_t *)order, split.train_count * sizeof *order), crcs[epoch]);
        free(order);
    }
    mf_split_free(&split);

    static const uint32_t held[] = {0, 5, 6, 7, 10},
                          small[] = {1, 5, 0, 4, 9, 8, 11, 3, 7, 12, 13, 10, 17, 2, 19, 15, 14, 18, 16, 6};
    ck_assert_int_eq(mf_split_make(1, 20, 0.25, &split, NULL), MNIST_FAST_OK);
    ck_assert_mem_eq(split.validation, held, sizeof held);
    mf_split_free(&split);
    uint32_t all[20];
    for (uint32_t i = 0; i < 20; i++)
        all[i] = i;
    uint32_t *order = order_of(all, 20, 6, 1, 0);
    ck_assert_mem_eq(order, small, sizeof small);
    free(order);
}
END_TEST

/* A line through the middle of the image that moves tenths / 10 columns from row to row. */
static uint8_t key_of_line(int first_row, int last_row, double columns_a_row, uint8_t label)
{
    uint8_t pixels[28 * 28] = {0};
    for (int row = first_row; row <= last_row; row++) {
        const double column = 13.5 + columns_a_row * (row - 13.5);
        for (int x = 0; x < 28; x++) { /* shared out between the two pixels next to it */
            const double share = 1 - fabs(x - column);
            pixels[row * 28 + x] = share > 0 ? (uint8_t)(share * 200 + 0.5) : 0;
        }
    }
    return mf_sort_key(pixels, label);
}

START_TEST(sort_keys_tell_label_and_skew)
{
    const uint8_t blank[28 * 28] = {0};
    ck_assert_uint_eq(mf_sort_key(blank, 0), 8);
    ck_assert_uint_eq(mf_sort_key(blank, 9), 152);
    ck_assert_uint_eq(key_of_line(5, 5, 0.0, 0), 8); /* one row has no skew */
    for (uint8_t label = 0; label < 10; label++) {
        for (int tenths = -12; tenths <= 12; tenths++) {
            const int step = 8 + tenths, expected = step < 0 ? 0 : step > 15 ? 15 : step;
            /* between two steps, so that rounding of the pixels decides nothing */
            ck_assert_uint_eq(key_of_line(3, 24, (tenths + 0.5) / 10, label), (unsigned)(16 * label + expected));
        }
    }
}
END_TEST

START_TEST(batches_are_sorted_and_stay_themselves)
{
    enum { COUNT = 1003 };
    static const size_t batches[] = {1, 2, 7, 100, 1000, 1003, 5000};
    uint8_t sort_keys[3 * COUNT + 5];
    for (size_t i = 0; i < sizeof sort_keys; i++)
        sort_keys[i] = (uint8_t)(i * i % 7 * 31 % MF_SORT_KEYS);
    sort_keys[5] = MF_SORT_KEYS - 1;
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
        const size_t batch = batches[b], room = batch < COUNT ? batch : COUNT;
        uint32_t *before = some_indices(COUNT), *order = some_indices(COUNT),
                 *buffer = malloc((room + 1) * sizeof *buffer);
        ck_assert_ptr_nonnull(buffer);
        buffer[room] = order[COUNT] = 0xdeadbeef;
        mf_sort_batches(sort_keys, batch, buffer, order, COUNT);
        ck_assert_uint_eq(buffer[room], 0xdeadbeef);
        ck_assert_uint_eq(order[COUNT], 0xdeadbeef);
        for (size_t begin = 0; begin < COUNT; begin += batch) {
            const size_t end = begin + batch < COUNT ? begin + batch : COUNT;
            size_t next = begin;
            for (int key = 0; key < MF_SORT_KEYS; key++) { /* the slow way: one walk for each key */
                for (size_t i = begin; i < end; i++) {
                    if (sort_keys[before[i]] == key) {
                        ck_assert_msg(order[next] == before[i], "batches of %zu, place %zu: %u, expected %u", batch,
                                      next, order[next], before[i]);
                        next++;
                    }
                }
            }
            ck_assert_uint_eq(next, end);
        }
        free(before);
        free(order);
        free(buffer);
    }
    mf_sort_batches(sort_keys, 10, NULL, NULL, 0);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("sampler");
    TCase *tcase = tcase_create("sampler");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, split_is_disjoint_complete_and_ascending);
    tcase_add_test(tcase, split_is_fixed_by_the_seed);
    tcase_add_test(tcase, split_favours_no_image);
    tcase_add_test(tcase, split_refuses);
    tcase_add_test(tcase, order_is_a_permutation_drawn_from_the_window);
    tcase_add_test(tcase, order_with_a_buffer_of_one_is_the_given_one);
    tcase_add_test(tcase, order_differs_between_epochs_and_seeds);
    tcase_add_test(tcase, order_favours_no_element);
    tcase_add_test(tcase, split_and_order_never_change);
    tcase_add_test(tcase, sort_keys_tell_label_and_skew);
    tcase_add_test(tcase, batches_are_sorted_and_stay_themselves);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
