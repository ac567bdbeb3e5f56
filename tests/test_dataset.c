/* Folders of images, as mnist_fast_load_images finds them. */
#include "folder.h"
#include "mnist_fast.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static const char *const image_names[] = {"train-images-idx3-ubyte", "train-images.idx3-ubyte",
                                          "train-images-idx3-ubyte.gz", "train-images.idx3-ubyte.gz"};
static const char *const label_names[] = {"train-labels-idx1-ubyte", "train-labels.idx1-ubyte",
                                          "train-labels-idx1-ubyte.gz", "train-labels.idx1-ubyte.gz"};

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
    ck_assert_int_eq(names_in(folder), 0); /* nothing else was left in it */
    folder_remove();
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

static void expect_refused(mnist_fast_part part, mnist_fast_status status, const char *says1, const char *says2)
{
    mnist_fast_images found;
    memset(&found, 0x55, sizeof found);
    mnist_fast_error error = {""};
    const mnist_fast_status got = mnist_fast_load_images(folder, part, 1, &found, &error);
    ck_assert_msg(got == status, "expected status %d, found %d: %s", status, got, error.text);
    ck_assert_msg(strncmp(error.text, folder, strlen(folder)) == 0, "the folder is not named first: %s", error.text);
    ck_assert_msg(strstr(error.text, says1) && strstr(error.text, says2), "expected \"%s\" and \"%s\" in: %s", says1,
                  says2, error.text);
    ck_assert_msg(strchr(error.text, '\n') == NULL, "more than one line: %s", error.text);
    ck_assert_ptr_null(found.pixels);
    ck_assert_ptr_null(found.labels);
    ck_assert_uint_eq(found.count, 0);
    mnist_fast_free_images(&found);
}

START_TEST(every_spelling_is_found)
{
    for (int i = 0; i < 4; i++) {
        for (int l = 0; l < 4; l++) {
            write_file(image_names[i], 3, 200);
            write_file(label_names[l], 3, 7);
            mnist_fast_images found;
            mnist_fast_error error = {""};
            ck_assert_msg(mnist_fast_load_images(folder, MNIST_FAST_TRAIN, 1, &found, &error) == MNIST_FAST_OK,
                          "%s, %s: %s", image_names[i], label_names[l], error.text);
            ck_assert_uint_eq(found.count, 3);
            for (int k = 0; k < 3 * 784; k++)
                ck_assert_msg(found.pixels[k] == 200, "%s: pixel %d", image_names[i], k);
            ck_assert_mem_eq(found.labels, "\7\7\7", 3);
            mnist_fast_free_images(&found);
            ck_assert_ptr_null(found.pixels);
            ck_assert_ptr_null(found.labels);
            mnist_fast_free_images(&found);
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
        mnist_fast_images found;
        ck_assert_int_eq(mnist_fast_load_images(folder, MNIST_FAST_TRAIN, 1, &found, NULL), MNIST_FAST_OK);
        ck_assert_msg(found.pixels[0] == 10 + i, "%s was passed over", image_names[i]);
        ck_assert_msg(found.labels[0] == i, "%s was passed over", label_names[i]);
        mnist_fast_free_images(&found);
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
    mnist_fast_images train, test;
    ck_assert_int_eq(mnist_fast_load_images(folder, MNIST_FAST_TRAIN, 1, &train, NULL), MNIST_FAST_OK);
    ck_assert_int_eq(mnist_fast_load_images(folder, MNIST_FAST_TEST, 1, &test, NULL), MNIST_FAST_OK);
    ck_assert(train.count == 2 && train.pixels[0] == 1 && train.labels[1] == 1);
    ck_assert(test.count == 4 && test.pixels[0] == 2 && test.labels[3] == 2);
    mnist_fast_free_images(&train);
    mnist_fast_free_images(&test);
}
END_TEST

START_TEST(missing_folder)
{
    ck_assert_int_eq(rmdir(folder), 0);
    expect_refused(MNIST_FAST_TRAIN, MNIST_FAST_BAD_FILE,
                   "No such file or directory (expected a folder with train-images", "run data/fetch");
    expect_refused(MNIST_FAST_TEST, MNIST_FAST_BAD_FILE,
                   "No such file or directory (expected a folder with t10k-images", "run data/fetch");
    ck_assert_int_eq(mkdir(folder, 0700), 0);
}
END_TEST

START_TEST(file_for_a_folder)
{
    strcat(folder, "/train-images-idx3-ubyte");
    FILE *file = fopen(folder, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    expect_refused(MNIST_FAST_TRAIN, MNIST_FAST_BAD_FILE, "is not a folder", "train-images-idx3-ubyte");
    *strrchr(folder, '/') = '\0';
}
END_TEST

START_TEST(missing_files)
{
    expect_refused(MNIST_FAST_TRAIN, MNIST_FAST_BAD_FILE, "no train-images-idx3-ubyte", "run data/fetch");
    expect_refused(MNIST_FAST_TEST, MNIST_FAST_BAD_FILE, "no t10k-images-idx3-ubyte", "nor t10k-images.idx3-ubyte");
    write_file("train-images-idx3-ubyte", 1, 1);
    expect_refused(MNIST_FAST_TRAIN, MNIST_FAST_BAD_FILE, "no train-labels-idx1-ubyte", "nor train-labels.idx1-ubyte");
    expect_refused(MNIST_FAST_TEST, MNIST_FAST_BAD_FILE, "no t10k-images-idx3-ubyte", "run data/fetch");
}
END_TEST

START_TEST(unreadable_folder)
{
    write_file("train-images-idx3-ubyte", 1, 1);
    write_file("train-labels-idx1-ubyte", 1, 1);
    ck_assert_int_eq(chmod(folder, 0), 0);
    const bool root = geteuid() == 0; /* root may read everything: so be another user meanwhile */
    ck_assert(!root || seteuid(65534) == 0);
    expect_refused(MNIST_FAST_TRAIN, MNIST_FAST_BAD_FILE, "train-images-idx3-ubyte", "Permission denied");
    ck_assert(!root || seteuid(0) == 0);
    ck_assert_int_eq(chmod(folder, 0700), 0);
}
END_TEST

START_TEST(wrong_file_in_the_folder)
{
    write_file("train-images-idx3-ubyte", 1, 1);
    write_file("train-labels-idx1-ubyte.gz", 1, 10);
    expect_refused(MNIST_FAST_TRAIN, MNIST_FAST_BAD_DATA, "/train-labels-idx1-ubyte.gz: label 0 is 10",
                   "run data/fetch");
}
END_TEST

/* A label file that is missing or damaged is no error where no labels are wanted. */
START_TEST(images_without_labels)
{
    write_file("t10k-images.idx3-ubyte.gz", 3, 90);
    for (int damaged = 0; damaged < 2; damaged++) {
        if (damaged)
            file_write(in_folder("t10k-labels-idx1-ubyte"), "nonsense", 8);
        expect_refused(MNIST_FAST_TEST, damaged ? MNIST_FAST_BAD_DATA : MNIST_FAST_BAD_FILE, "t10k-labels-idx1-ubyte",
                       "run data/fetch");
        mnist_fast_images found;
        memset(&found, 0x55, sizeof found);
        mnist_fast_error error = {""};
        ck_assert_msg(mnist_fast_load_images(folder, MNIST_FAST_TEST, 0, &found, &error) == MNIST_FAST_OK, "%s",
                      error.text);
        ck_assert_uint_eq(found.count, 3);
        ck_assert_ptr_null(found.labels);
        for (int k = 0; k < 3 * MNIST_FAST_PIXELS; k++)
            ck_assert_uint_eq(found.pixels[k], 90);
        mnist_fast_free_images(&found);
    }
    remove(in_folder("t10k-images.idx3-ubyte.gz"));
}
END_TEST

START_TEST(counts_must_agree)
{
    write_file("train-images-idx3-ubyte", 3, 1);
    write_file("train-labels.idx1-ubyte", 2, 1);
    expect_refused(MNIST_FAST_TRAIN, MNIST_FAST_BAD_DATA, "/train-images-idx3-ubyte: 3 images, but 2 labels in ",
                   "/train-labels.idx1-ubyte");
    write_file("train-labels.idx1-ubyte", 4, 1);
    expect_refused(MNIST_FAST_TRAIN, MNIST_FAST_BAD_DATA, "/train-images-idx3-ubyte: 3 images, but 4 labels in ",
                   "/train-labels.idx1-ubyte");
}
END_TEST

START_TEST(endless_path)
{
    char *name = malloc(5001);
    ck_assert_ptr_nonnull(name);
    memset(name, '/', 5000);
    name[5000] = '\0';
    mnist_fast_images found;
    for (int length = PATH_MAX - 24; length <= 5000; length += length < PATH_MAX ? 1 : 400) {
        mnist_fast_error error = {""};
        ck_assert_int_eq(mnist_fast_load_images(name + 5000 - length, MNIST_FAST_TRAIN, 1, &found, &error),
                         MNIST_FAST_BAD_FILE);
        ck_assert_ptr_null(found.pixels);
        /* The message is too short for the whole path, but for its end and for what is wrong. Below PATH_MAX the folder
         * itself can be found; the file's path is too long by one byte and more. */
        ck_assert_msg(strncmp(error.text, "...", 3) == 0 || error.text[0] == '/', "%d: %s", length, error.text);
        const char *reason = length < PATH_MAX ? ": the path is too long" : ": File name too long (expected";
        ck_assert_msg(strstr(error.text, reason) && strchr(error.text, ';'), "%d: %s", length, error.text);
    }
    free(name);
}
END_TEST

/* The real files, where they are: MNIST_FAST_DATA, else data/ below the working directory. */
START_TEST(the_real_files)
{
    const char *named = getenv("MNIST_FAST_DATA"), *data = named ? named : "data";
    mnist_fast_images found;
    mnist_fast_error error = {""};
    if (mnist_fast_load_images(data, MNIST_FAST_TRAIN, 1, &found, &error) != MNIST_FAST_OK) {
        ck_assert_msg(getenv("MF_REQUIRE_DATA") == NULL, "MF_REQUIRE_DATA is set, but %s", error.text);
        printf("SKIP: the real files: %s\n", error.text);
        return;
    }
    ck_assert_uint_eq(found.count, 60000);
    ck_assert_mem_eq(found.labels, "\5\0\4\1\11\2\1\3\1\4", 10);
    ck_assert_uint_eq(crc32_z(0, found.pixels, found.count * 784), 0xf3639b56);
    mnist_fast_free_images(&found);
    ck_assert_msg(mnist_fast_load_images(data, MNIST_FAST_TEST, 1, &found, &error) == MNIST_FAST_OK, "%s", error.text);
    ck_assert_uint_eq(found.count, 10000);
    ck_assert_mem_eq(found.labels, "\7\2\1\0\4\1\4\11\5\11", 10);
    mnist_fast_free_images(&found);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("dataset");
    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, folder_make, teardown);
    tcase_add_test(files, every_spelling_is_found);
    tcase_add_test(files, the_first_spelling_wins);
    tcase_add_test(files, the_parts_are_told_apart);
    tcase_add_test(files, missing_folder);
    tcase_add_test(files, file_for_a_folder);
    tcase_add_test(files, missing_files);
    tcase_add_test(files, unreadable_folder);
    tcase_add_test(files, wrong_file_in_the_folder);
    tcase_add_test(files, images_without_labels);
    tcase_add_test(files, counts_must_agree);
    tcase_add_test(files, endless_path);
    suite_add_tcase(suite, files);
    TCase *real = tcase_create("real");
    tcase_set_timeout(real, 60);
    tcase_add_test(real, the_real_files);
    suite_add_tcase(suite, real);
    return support_run(suite);
}
