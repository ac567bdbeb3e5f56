/* Picture files: every kind that is read gives the same pixels, from a file, a pipe or a slow writer; what is written
 * is read again. */
#include "picture_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what is read ---- */

START_TEST(every_png)
{
    static const int depths[][6] = {[GREY] = {1, 2, 4, 8, 16},
                                    [PALETTE] = {1, 2, 4, 8},
                                    [RGB] = {8, 16},
                                    [GREY_ALPHA] = {8, 16},
                                    [RGB_ALPHA] = {8, 16}};
    for (enum layout layout = GREY; layout <= RGB_ALPHA; layout++)
        for (int i = 0; depths[layout][i]; i++)
            for (int interlaced = 0; interlaced < 2; interlaced++) {
                const int depth = depths[layout][i], levels = depth < 8 ? (1 << depth) - 1 : 255;
                support_case("layout %d, %d bits%s", layout, depth, interlaced ? ", interlaced" : "");
                picture_expect(png_file(picture_rgb, WIDTH, HEIGHT, (struct png){layout, depth, interlaced}),
                               (255 / levels + 1) / 2);
            }
}
END_TEST

/* Each pass of the interlacing has no pixels at some of these sizes. */
START_TEST(small_pngs)
{
    for (int width = 1; width <= 9; width++)
        for (int height = 1; height <= 9; height++) {
            support_case("%d x %d", width, height);
            const struct bytes file = png_file(picture_rgb, width, height, (struct png){GREY, 8, true});
            struct cli_picture read;
            mnist_fast_error error;
            ck_assert_int_eq(picture_read_bytes(file.data, file.size, &read, &error), MNIST_FAST_OK);
            for (int i = 0; i < width * height; i++)
                if (read.grey[i] != picture_rgb[3 * i])
                    support_fail("pixel %d is %d (expected %d)", i, read.grey[i], picture_rgb[3 * i]);
            free(read.grey);
            free(file.data);
        }
}
END_TEST

START_TEST(every_jpeg)
{
    for (int progressive = 0; progressive < 2; progressive++)
        for (int grey = 0; grey < 2; grey++)
            for (int orientation = 0; orientation <= 8; orientation++) {
                support_case("%s, %s, orientation %d", progressive ? "progressive" : "baseline",
                             grey ? "grey" : "colour", orientation);
                const struct jpeg how = {.quality = 95,
                                         .grey = grey,
                                         .progressive = progressive,
                                         .orientation = orientation,
                                         .big_endian = orientation % 2};
                picture_expect(jpeg_file(picture_rgb, WIDTH, HEIGHT, how), 12);
            }
}
END_TEST

START_TEST(every_pnm)
{
    static const int maxima[] = {255, 15, 1, 256, 65535, 1000};
    for (char kind = '1'; kind <= '6'; kind++)
        for (size_t i = 0; i < sizeof maxima / sizeof *maxima; i++) {
            const bool bits = kind == '1' || kind == '4';
            support_case("P%c, maximum %d", kind, maxima[i]);
            picture_expect(pnm_file(picture_rgb, WIDTH, HEIGHT, kind, maxima[i]), bits || maxima[i] == 1 ? 128
                                                                                  : maxima[i] == 15      ? 9
                                                                                                         : 1);
        }
}
END_TEST

/* Pure colours, and a black half of a transparent pixel. */
START_TEST(colours_and_transparency)
{
    static const uint8_t rgb[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255};
    static const uint8_t luma[] = {76, 150, 29, 255};
    struct bytes files[] = {png_file(rgb, 4, 1, (struct png){RGB, 8, false}), pnm_file(rgb, 4, 1, '6', 255),
                            pnm_file(rgb, 4, 1, '3', 65535)};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct cli_picture read;
        mnist_fast_error error;
        ck_assert_int_eq(picture_read_bytes(files[i].data, files[i].size, &read, &error), MNIST_FAST_OK);
        ck_assert_mem_eq(read.grey, luma, sizeof luma);
        free(read.grey);
        free(files[i].data);
    }
}
END_TEST

START_TEST(pnm_by_hand)
{
    static const struct {
        const char *file;
        uint8_t grey[4];
    } cases[] = {
        {"P2\n2 2\n3\n0 1\n2 3\n", {0, 85, 170, 255}},
        {"P2#c\n#d\r2 #e\n 2 3 0 1 2 #f\n3", {0, 85, 170, 255}},
        {"P1 2 2 0110", {255, 0, 0, 255}},
        {"P1\n2 2\n0 1\n1 0\n", {255, 0, 0, 255}},
        {"P4 2 2\n\x40\x80", {255, 0, 0, 255}},
        {"P5 2 2 255\nabcd and more", {'a', 'b', 'c', 'd'}},
        {"P5 2 2 255 # bc", {'#', ' ', 'b', 'c'}},
        {"P5 2 2 65535\naabbccdd", {'a', 'b', 'c', 'd'}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        support_case("%s", cases[i].file);
        struct cli_picture read;
        mnist_fast_error error = {""};
        if (picture_read_bytes(cases[i].file, strlen(cases[i].file), &read, &error))
            support_fail("refused: %s", error.text);
        ck_assert_int_eq(read.width, 2);
        ck_assert_int_eq(read.height, 2);
        ck_assert_mem_eq(read.grey, cases[i].grey, 4);
        free(read.grey);
    }
}
END_TEST

/* ---- files of other kinds ---- */

START_TEST(names_that_cannot_be_read)
{
    struct cli_picture read;
    mnist_fast_error error = {""};
    ck_assert_int_eq(cli_picture_read(picture_path, &read, &error), MNIST_FAST_BAD_FILE);
    picture_expect_one_line(&error);
    ck_assert_ptr_nonnull(strstr(error.text, strerror(ENOENT)));
    ck_assert_int_eq(mkdir(picture_path, 0700), 0);
    ck_assert_int_eq(cli_picture_read(picture_path, &read, &error), MNIST_FAST_BAD_FILE);
    picture_expect_one_line(&error);
    ck_assert_ptr_nonnull(strstr(error.text, "is a folder"));
    ck_assert_int_eq(rmdir(picture_path), 0);
    /* The reason is there however long the path is. */
    char longest[4000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    ck_assert_int_eq(cli_picture_read(longest, &read, &error), MNIST_FAST_BAD_FILE);
    ck_assert_ptr_nonnull(strstr(error.text, strerror(ENAMETOOLONG)));
}
END_TEST

START_TEST(files_without_end)
{
    struct cli_picture read;
    mnist_fast_error error = {""};
    ck_assert_int_eq(cli_picture_read("/dev/zero", &read, &error), MNIST_FAST_BAD_DATA);
    ck_assert_ptr_nonnull(strstr(error.text, "is too large"));
    ck_assert_int_eq(cli_picture_read("/dev/null", &read, &error), MNIST_FAST_BAD_DATA);
    ck_assert_ptr_nonnull(strstr(error.text, "is empty"));
}
END_TEST

START_TEST(a_file_that_is_too_large)
{
    picture_write_file("P5 1 1 255\na", 12);
    ck_assert_int_eq(truncate(picture_path, CLI_PICTURE_MAX_FILE), 0);
    struct cli_picture read;
    mnist_fast_error error = {""};
    ck_assert_int_eq(cli_picture_read(picture_path, &read, &error), MNIST_FAST_OK); /* with bytes left over */
    free(read.grey);
    ck_assert_int_eq(truncate(picture_path, CLI_PICTURE_MAX_FILE + 1), 0);
    const struct rlimit little = {32 << 20, RLIM_INFINITY};
    if (!support_short) /* no memory is taken for it; sanitizers need more than this limit */
        ck_assert_int_eq(setrlimit(RLIMIT_DATA, &little), 0);
    ck_assert_int_eq(cli_picture_read(picture_path, &read, &error), MNIST_FAST_BAD_DATA);
    ck_assert_ptr_nonnull(strstr(error.text, "is too large"));
}
END_TEST

START_TEST(a_fifo_without_writer)
{
    struct cli_picture read;
    mnist_fast_error error = {""};
    ck_assert_int_eq(mkfifo(picture_path, 0600), 0);
    ck_assert_int_eq(cli_picture_read(picture_path, &read, &error), MNIST_FAST_BAD_DATA);
    ck_assert_ptr_nonnull(strstr(error.text, "is empty"));
}
END_TEST

/* A slow writer, a byte at a time; through a FIFO and through standard input. */
START_TEST(slow_writers)
{
    const struct bytes file = picture_small_file(_i ? 3 : 0);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    if (_i == 0)
        ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        for (size_t i = 0; i < file.size; i++) {
            if (i % 97 == 0)
                usleep(1000);
            if (write(ends[1], file.data + i, 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    close(ends[1]);
    char name[32] = "-";
    const int input = dup(STDIN_FILENO);
    if (_i == 0)
        ck_assert_int_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    else
        snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    struct cli_picture read;
    mnist_fast_error error = {""};
    const mnist_fast_status status = cli_picture_read(name, &read, &error);
    if (input >= 0)
        dup2(input, STDIN_FILENO);
    ck_assert_msg(status == MNIST_FAST_OK, "%s", error.text);
    ck_assert_int_eq(read.width * read.height, WIDTH * HEIGHT);
    free(read.grey);
    int ended;
    ck_assert_int_eq(waitpid(child, &ended, 0), child);
    ck_assert_int_eq(ended, 0);
    free(file.data);
}
END_TEST

START_TEST(standard_input_has_a_name)
{
    const int null = open("/dev/null", O_RDONLY), input = dup(STDIN_FILENO);
    dup2(null, STDIN_FILENO);
    struct cli_picture read;
    mnist_fast_error error = {""};
    ck_assert_int_eq(cli_picture_read("-", &read, &error), MNIST_FAST_BAD_DATA);
    dup2(input, STDIN_FILENO);
    ck_assert_ptr_eq(strstr(error.text, "standard input: is empty"), error.text);
}
END_TEST

/* ---- writing ---- */

START_TEST(what_is_written_is_read)
{
    static const char *const names[] = {"digit.png", "digit.PNG", "digit.pgm", "png", "digit"};
    uint8_t pixels[MNIST_FAST_PIXELS];
    struct random random = random_from(1, 2, 3, 4);
    for (int i = 0; i < MNIST_FAST_PIXELS; i++)
        pixels[i] = (uint8_t)random_bits(&random);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        support_case("%s", names[i]);
        struct cli_picture read;
        mnist_fast_error error = {""};
        ck_assert_int_eq(cli_picture_write(in_folder(names[i]), pixels, &error), MNIST_FAST_OK);
        ck_assert_int_eq(cli_picture_read(in_folder(names[i]), &read, &error), MNIST_FAST_OK);
        ck_assert_int_eq(read.width, 28);
        ck_assert_int_eq(read.height, 28);
        ck_assert_mem_eq(read.grey, pixels, sizeof pixels);
        free(read.grey);
        const struct bytes file = file_read(in_folder(names[i]));
        ck_assert_int_eq(file.data[0], i < 2 ? 0x89 : 'P');
        free(file.data);
    }
    mnist_fast_error error = {""};
    ck_assert_int_eq(cli_picture_write(in_folder("missing/digit.png"), pixels, &error), MNIST_FAST_BAD_FILE);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *const suite = suite_create("picture_file");
    TCase *const tests = tcase_create("picture_file");
    tcase_add_checked_fixture(tests, picture_begin, picture_end);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, every_png);
    tcase_add_test(tests, small_pngs);
    tcase_add_test(tests, every_jpeg);
    tcase_add_test(tests, every_pnm);
    tcase_add_test(tests, colours_and_transparency);
    tcase_add_test(tests, pnm_by_hand);
    tcase_add_test(tests, names_that_cannot_be_read);
    tcase_add_test(tests, files_without_end);
    tcase_add_test(tests, a_file_that_is_too_large);
    tcase_add_test(tests, a_fifo_without_writer);
    tcase_add_loop_test(tests, slow_writers, 0, 2);
    tcase_add_test(tests, standard_input_has_a_name);
    tcase_add_test(tests, what_is_written_is_read);
    suite_add_tcase(suite, tests);
    return support_run(suite);
}
