/* Folders of images, the split, and the order of an epoch. */
#include "io/dataset.h"

#include "base/rng.h"
#include "support.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static char folder[PATH_MAX];

static void setup(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/mnist_fast-data-XXXXXX", base ? base : "/tmp");
    ck_assert_msg(mkdtemp(folder) != NULL, "%s: %s", folder, strerror(errno));
}

static const char *const image_names[] = {"train-images-idx3-ubyte", "train-images.idx3-ubyte",
                                          "train-images-idx3-ubyte.gz", "train-images.idx3-ubyte.gz"};
static const char *const label_names[] = {"train-labels-idx1-ubyte", "train-labels.idx1-ubyte",
                                          "train-labels-idx1-ubyte.gz", "train-labels.idx1-ubyte.gz"};

static const char *in_folder(const char *name)
{
    static char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void remove_all(void)
{
    for (int i = 0; i < 4; i++) {
        remove(in_folder(image_names[i]));
        remove(in_folder(label_names[i]));
    }
    remove(in_folder("t10k-images-idx3-ubyte"));
    remove(in_folder("t10k-labels-idx1-ubyte"));
}

static void teardown(void)
{
    remove_all();
    ck_assert_msg(rmdir(folder) == 0, "%s: %s", folder, strerror(errno));
}

/* count images full of `fill`, or count labels; compressed when the name says so. */
static void write_file(const char *name, uint8_t count, uint8_t fill)
{
    const bool images = strstr(name, "images") != NULL;
    const uint8_t head[16] = {0, 0, 8, images ? 3 : 1, 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28};
    uint8_t body[4 * 784];
    ck_assert_uint_le(count, 4);
    memset(body, fill, sizeof body);
    /* "T" is zlib's mode for writing without compression */
    gzFile file = gzopen(in_folder(name), strstr(name, ".gz") ? "wb" : "wbT");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_gt(gzwrite(file, head, images ? 16 : 8), 0);
    ck_assert_int_gt(gzwrite(file, body, images ? count * 784u : count), 0);
    ck_assert_int_eq(gzclose(file), Z_OK);
}

static void expect_refused(enum mf_part part, mnist_fast_status status, const char *says1, const char *says2)
{
    struct mf_dataset dataset;
    memset(&dataset, 0x55, sizeof dataset);
    mnist_fast_error error = {""};
    const mnist_fast_status got = mf_dataset_load(folder, part, &dataset, &error);
    ck_assert_msg(got == status, "expected status %d, found %d: %s", status, got, error.text);
    ck_assert_msg(strncmp(error.text, folder, strlen(folder)) == 0, "the folder is not named first: %s", error.text);
    ck_assert_msg(strstr(error.text, says1) && strstr(error.text, says2), "expected \"%s\" and \"%s\" in: %s", says1,
                  says2, error.text);
    ck_assert_msg(strchr(error.text, '\n') == NULL, "more than one line: %s", error.text);
    ck_assert_ptr_null(dataset.pixels);
    ck_assert_ptr_null(dataset.labels);
    ck_assert_uint_eq(dataset.count, 0);
    mf_dataset_free(&dataset);
}

START_TEST(every_spelling_is_found)
{
    for (int i = 0; i < 4; i++) {
        for (int l = 0; l < 4; l++) {
            write_file(image_names[i], 3, 200);
            write_file(label_names[l], 3, 7);
            struct mf_dataset dataset;
            mnist_fast_error error = {""};
            ck_assert_msg(mf_dataset_load(folder, MF_TRAIN, &dataset, &error) == MNIST_FAST_OK, "%s, %s: %s",
                          image_names[i], label_names[l], error.text);
            ck_assert_uint_eq(dataset.count, 3);
            for (int k = 0; k < 3 * 784; k++) {
                ck_assert_msg(dataset.pixels[k] == 200, "%s: pixel %d", image_names[i], k);
            }
            ck_assert_mem_eq(dataset.labels, "\7\7\7", 3);
            mf_dataset_free(&dataset);
            ck_assert_ptr_null(dataset.pixels);
            ck_assert_ptr_null(dataset.labels);
            mf_dataset_free(&dataset);
            remove_all();
        }
    }
}
END_TEST

START_TEST(the_first_spelling_wins)
{
    for (int i = 0; i < 4; i++) {
        for (int k = i; k < 4; k++) {
            write_file(image_names[k], 1, (uint8_t)(10 + k));
            write_file(label_names[k], 1, (uint8_t)k);
        }
        struct mf_dataset dataset;
        ck_assert_int_eq(mf_dataset_load(folder, MF_TRAIN, &dataset, NULL), MNIST_FAST_OK);
        ck_assert_msg(dataset.pixels[0] == 10 + i, "%s was passed over", image_names[i]);
        ck_assert_msg(dataset.labels[0] == i, "%s was passed over", label_names[i]);
        mf_dataset_free(&dataset);
        remove_all();
    }
}
END_TEST

START_TEST(the_parts_are_told_apart)
{
    write_file("train-images-idx3-ubyte", 2, 1);
    write_file("train-labels-idx1-ubyte", 2, 1);
    write_file("t10k-images-idx3-ubyte", 4, 2);
    write_file("t10k-labels-idx1-ubyte", 4, 2);
    struct mf_dataset train, test;
    ck_assert_int_eq(mf_dataset_load(folder, MF_TRAIN, &train, NULL), MNIST_FAST_OK);
    ck_assert_int_eq(mf_dataset_load(folder, MF_TEST, &test, NULL), MNIST_FAST_OK);
    ck_assert(train.count == 2 && train.pixels[0] == 1 && train.labels[1] == 1);
    ck_assert(test.count == 4 && test.pixels[0] == 2 && test.labels[3] == 2);
    mf_dataset_free(&train);
    mf_dataset_free(&test);
}
END_TEST

START_TEST(missing_folder)
{
    ck_assert_int_eq(rmdir(folder), 0);
    expect_refused(MF_TRAIN, MNIST_FAST_BAD_FILE, "No such file or directory (expected a folder with train-images",
                   "run data/fetch");
    expect_refused(MF_TEST, MNIST_FAST_BAD_FILE, "No such file or directory (expected a folder with t10k-images",
                   "run data/fetch");
    ck_assert_int_eq(mkdir(folder, 0700), 0);
}
END_TEST

START_TEST(file_for_a_folder)
{
    strcat(folder, "/train-images-idx3-ubyte");
    FILE *file = fopen(folder, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    expect_refused(MF_TRAIN, MNIST_FAST_BAD_FILE, "is not a folder", "train-images-idx3-ubyte");
    *strrchr(folder, '/') = '\0';
}
END_TEST

START_TEST(missing_files)
{
    expect_refused(MF_TRAIN, MNIST_FAST_BAD_FILE, "no train-images-idx3-ubyte", "run data/fetch");
    expect_refused(MF_TEST, MNIST_FAST_BAD_FILE, "no t10k-images-idx3-ubyte", "nor t10k-images.idx3-ubyte");
    write_file("train-images-idx3-ubyte", 1, 1);
    expect_refused(MF_TRAIN, MNIST_FAST_BAD_FILE, "no train-labels-idx1-ubyte", "nor train-labels.idx1-ubyte");
    expect_refused(MF_TEST, MNIST_FAST_BAD_FILE, "no t10k-images-idx3-ubyte", "run data/fetch");
}
END_TEST

START_TEST(unreadable_folder)
{
    write_file("train-images-idx3-ubyte", 1, 1);
    write_file("train-labels-idx1-ubyte", 1, 1);
    ck_assert_int_eq(chmod(folder, 0), 0);
    const bool root = geteuid() == 0; /* root may read everything: be somebody else for a moment */
    ck_assert(!root || seteuid(65534) == 0);
    expect_refused(MF_TRAIN, MNIST_FAST_BAD_FILE, "train-images-idx3-ubyte", "Permission denied");
    ck_assert(!root || seteuid(0) == 0);
    ck_assert_int_eq(chmod(folder, 0700), 0);
}
END_TEST

START_TEST(wrong_file_in_the_folder)
{
    write_file("train-images-idx3-ubyte", 1, 1);
    write_file("train-labels-idx1-ubyte.gz", 1, 10);
    expect_refused(MF_TRAIN, MNIST_FAST_BAD_DATA, "/train-labels-idx1-ubyte.gz: label 0 is 10", "run data/fetch");
}
END_TEST

START_TEST(counts_must_agree)
{
    write_file("train-images-idx3-ubyte", 3, 1);
    write_file("train-labels.idx1-ubyte", 2, 1);
    expect_refused(MF_TRAIN, MNIST_FAST_BAD_DATA, "/train-images-idx3-ubyte: 3 images, but 2 labels in ",
                   "/train-labels.idx1-ubyte");
    write_file("train-labels.idx1-ubyte", 4, 1);
    expect_refused(MF_TRAIN, MNIST_FAST_BAD_DATA, "/train-images-idx3-ubyte: 3 images, but 4 labels in ",
                   "/train-labels.idx1-ubyte");
}
END_TEST

START_TEST(endless_path)
{
    char *name = malloc(5001);
    ck_assert_ptr_nonnull(name);
    memset(name, '/', 5000);
    name[5000] = '\0';
    struct mf_dataset dataset;
    for (int length = PATH_MAX - 24; length <= 5000; length += length < PATH_MAX ? 1 : 400) {
        mnist_fast_error error = {""};
        ck_assert_int_eq(mf_dataset_load(name + 5000 - length, MF_TRAIN, &dataset, &error), MNIST_FAST_BAD_FILE);
        ck_assert_ptr_null(dataset.pixels);
        ck_assert_int_eq(error.text[0], '/');
        /* The folder itself can be found; the file's path is too long by one byte and more. */
        ck_assert_msg(length >= PATH_MAX || strstr(error.text, "the path is too long"), "%d: %s", length, error.text);
    }
    free(name);
}
END_TEST

/* The real files, where they are: MNIST_FAST_DATA, else data/ below the working directory. */
START_TEST(the_real_files)
{
    const char *named = getenv("MNIST_FAST_DATA"), *data = named ? named : "data";
    struct mf_dataset dataset;
    mnist_fast_error error = {""};
    if (mf_dataset_load(data, MF_TRAIN, &dataset, &error) != MNIST_FAST_OK) {
        ck_assert_msg(getenv("MF_REQUIRE_DATA") == NULL, "MF_REQUIRE_DATA is set, but %s", error.text);
        printf("SKIP: the real files: %s\n", error.text);
        return;
    }
    ck_assert_uint_eq(dataset.count, 60000);
    ck_assert_mem_eq(dataset.labels, "\5\0\4\1\11\2\1\3\1\4", 10);
    ck_assert_uint_eq(crc32_z(0, dataset.pixels, dataset.count * 784), 0xf3639b56);
    mf_dataset_free(&dataset);
    ck_assert_msg(mf_dataset_load(data, MF_TEST, &dataset, &error) == MNIST_FAST_OK, "%s", error.text);
    ck_assert_uint_eq(dataset.count, 10000);
    ck_assert_mem_eq(dataset.labels, "\7\2\1\0\4\1\4\11\5\11", 10);
    mf_dataset_free(&dataset);
}
END_TEST

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
            if (split.validation_count != splits[i].held || split.train_count != count - splits[i].held) {
                support_fail("%zu + %zu", split.train_count, split.validation_count);
            }
            uint8_t *seen = calloc(count, 1);
            ck_assert_ptr_nonnull(seen);
            for (int set = 0; set < 2; set++) {
                const uint32_t *indices = set ? split.validation : split.train;
                const size_t size = set ? split.validation_count : split.train_count;
                for (size_t k = 0; k < size; k++) {
                    if (indices[k] >= count || seen[indices[k]]++) {
                        support_fail("index %u is out of range or there twice", indices[k]);
                    }
                    if (k > 0 && indices[k] <= indices[k - 1]) {
                        support_fail("set %d doesn't ascend at %zu", set, k);
                    }
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
        for (size_t i = 0; i < split.validation_count; i++) {
            held[split.validation[i]]++;
        }
        mf_split_free(&split);
    }
    for (int i = 0; i < 20; i++) {
        ck_assert_msg(held[i] > 384 && held[i] < 616, "seeds 0 to 1999: image %d held out %d times", i, held[i]);
    }
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
    for (size_t i = 0; i < count; i++) {
        indices[i] = (uint32_t)(5 + 3 * i);
    }
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
                    if (order[i] % 3 != 2 || position >= count || seen[position]++) {
                        support_fail("element %u at %zu is not one of them or there twice", order[i], i);
                    }
                    if (position >= i + size) {
                        support_fail("element %zu drawn at %zu, before the buffer held it", position, i);
                    }
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
            for (int at = 0; at < 1000; at++) {
                equal += orders[i][at] == orders[k][at];
            }
            /* Two random orders agree in about 1000 / 200 places. */
            ck_assert_msg(equal < 100, "orders %u and %u agree in %d places", i, k, equal);
        }
    }
    for (int i = 0; i < 12; i++) {
        free(orders[i]);
    }
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
        if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
            ck_assert_uint_eq(crc32_z(0, (const uint8_t *)order, split.train_count * sizeof *order), crcs[epoch]);
        }
        free(order);
    }
    mf_split_free(&split);

    static const uint32_t held[] = {0, 5, 6, 7, 10},
                          small[] = {1, 5, 0, 4, 9, 8, 11, 3, 7, 12, 13, 10, 17, 2, 19, 15, 14, 18, 16, 6};
    ck_assert_int_eq(mf_split_make(1, 20, 0.25, &split, NULL), MNIST_FAST_OK);
    ck_assert_mem_eq(split.validation, held, sizeof held);
    mf_split_free(&split);
    uint32_t all[20];
    for (uint32_t i = 0; i < 20; i++) {
        all[i] = i;
    }
    uint32_t *order = order_of(all, 20, 6, 1, 0);
    ck_assert_mem_eq(order, small, sizeof small);
    free(order);
}
END_TEST

/* A line through the middle of the image that moves tenths / 10 columns from row to row. */
static uint8_t kind_of_line(int first_row, int last_row, double columns_a_row, uint8_t label)
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

START_TEST(kinds_tell_label_and_slant)
{
    const uint8_t blank[28 * 28] = {0};
    ck_assert_uint_eq(mf_sort_key(blank, 0), 8);
    ck_assert_uint_eq(mf_sort_key(blank, 9), 152);
    ck_assert_uint_eq(kind_of_line(5, 5, 0.0, 0), 8); /* one row has no skew */
    for (uint8_t label = 0; label < 10; label++) {
        for (int tenths = -12; tenths <= 12; tenths++) {
            const int step = 8 + tenths, expected = step < 0 ? 0 : step > 15 ? 15 : step;
            /* between two steps, so that rounding of the pixels decides nothing */
            ck_assert_uint_eq(kind_of_line(3, 24, (tenths + 0.5) / 10, label), (unsigned)(16 * label + expected));
        }
    }
}
END_TEST

START_TEST(batches_are_sorted_and_stay_themselves)
{
    enum { COUNT = 1003 };
    static const size_t batches[] = {1, 2, 7, 100, 1000, 1003, 5000};
    uint8_t sort_keys[3 * COUNT + 5];
    for (size_t i = 0; i < sizeof sort_keys; i++) {
        sort_keys[i] = (uint8_t)(i * i % 7 * 31 % MF_SORT_KEYS);
    }
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
            for (int kind = 0; kind < MF_SORT_KEYS; kind++) { /* the slow way: one walk for each kind */
                for (size_t i = begin; i < end; i++) {
                    if (sort_keys[before[i]] == kind) {
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
    Suite *suite = suite_create("dataset");
    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, setup, teardown);
    tcase_add_test(files, every_spelling_is_found);
    tcase_add_test(files, the_first_spelling_wins);
    tcase_add_test(files, the_parts_are_told_apart);
    tcase_add_test(files, missing_folder);
    tcase_add_test(files, file_for_a_folder);
    tcase_add_test(files, missing_files);
    tcase_add_test(files, unreadable_folder);
    tcase_add_test(files, wrong_file_in_the_folder);
    tcase_add_test(files, counts_must_agree);
    tcase_add_test(files, endless_path);
    suite_add_tcase(suite, files);
    TCase *real = tcase_create("real");
    tcase_set_timeout(real, 60);
    tcase_add_test(real, the_real_files);
    suite_add_tcase(suite, real);
    TCase *orders = tcase_create("split and order");
    tcase_set_timeout(orders, 60);
    tcase_add_test(orders, split_is_disjoint_complete_and_ascending);
    tcase_add_test(orders, split_is_fixed_by_the_seed);
    tcase_add_test(orders, split_favours_no_image);
    tcase_add_test(orders, split_refuses);
    tcase_add_test(orders, order_is_a_permutation_drawn_from_the_window);
    tcase_add_test(orders, order_with_a_buffer_of_one_is_the_given_one);
    tcase_add_test(orders, order_differs_between_epochs_and_seeds);
    tcase_add_test(orders, order_favours_no_element);
    tcase_add_test(orders, split_and_order_never_change);
    tcase_add_test(orders, kinds_tell_label_and_slant);
    tcase_add_test(orders, batches_are_sorted_and_stay_themselves);
    suite_add_tcase(suite, orders);
    return support_run(suite);
}
