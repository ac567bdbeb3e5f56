/* `mnist_fast predict`: pictures, and images of the test set. One that fails does not stop the others. */
#include "commands.h"
#include "data_folder.h"
#include "draw.h"
#include "json.h"
#include "picture_file.h"
#include "program.h"
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct prediction {
    const char *name; /* as the user gave it */
    uint8_t pixels[MNIST_FAST_PIXELS];
    int label; /* -1: not known */
    uint8_t digit;
    float probabilities[MNIST_FAST_CLASSES];
};

/* "test:N" with N in digits; anything else is the name of a picture. */
static bool is_test_image(const char *operand, size_t *index)
{
    static const char prefix[] = "test:";
    const char *number = operand + sizeof prefix - 1;
    if (strncmp(operand, prefix, sizeof prefix - 1) != 0 || *number < '0' || *number > '9')
        return false;
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(number, &end, 10);
    *index = errno || value > SIZE_MAX ? SIZE_MAX : (size_t)value;
    return *end == '\0';
}

/* The test images are loaded when the first of them is asked for. */
static mnist_fast_status read_test_image(const struct cli_options *options, mnist_fast_images *test, size_t index,
                                         struct prediction *prediction, mnist_fast_error *error)
{
    if (!test->pixels) {
        const char *folder = cli_data_folder(options);
        if (!folder)
            return cli_no_data(error);
        /* A prediction needs no labels: without them it is only not compared. */
        mnist_fast_status status = mnist_fast_load_images(folder, MNIST_FAST_TEST, 1, test, error);
        if (status == MNIST_FAST_BAD_FILE)
            status = mnist_fast_load_images(folder, MNIST_FAST_TEST, 0, test, error);
        if (status)
            return status;
    }
    if (index >= test->count)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "%s: there is no such test image (expected 0 to %zu)",
                        prediction->name, test->count - 1);
    memcpy(prediction->pixels, test->pixels + index * MNIST_FAST_PIXELS, MNIST_FAST_PIXELS);
    prediction->label = test->labels ? test->labels[index] : -1;
    return MNIST_FAST_OK;
}

static mnist_fast_status read_picture(const struct cli_options *options, struct prediction *prediction,
                                      mnist_fast_error *error)
{
    struct cli_picture picture;
    mnist_fast_status status = cli_picture_read(prediction->name, &picture, error);
    if (status)
        return status;
    const mnist_fast_picture grey = {picture.grey, (int)picture.width, (int)picture.height, picture.width};
    mnist_fast_error reason;
    status = mnist_fast_prepare_picture(&grey, options->invert, options->raw, prediction->pixels, &reason);
    free(picture.grey);
    return status ? cli_fail(error, status, "%s: %s", prediction->name, reason.text) : MNIST_FAST_OK;
}

/* In quotes, as RFC 4180 says. */
static void print_csv_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_csv(const struct prediction *prediction)
{
    print_csv_text(prediction->name);
    printf(",%d", prediction->digit);
    for (int i = 0; i < MNIST_FAST_CLASSES; i++)
        printf(",%.9g", (double)prediction->probabilities[i]);
    putchar('\n');
}

static mnist_fast_status print_json(const struct prediction *prediction, mnist_fast_error *error)
{
    json_t *probabilities = json_array();
    for (int i = 0; i < MNIST_FAST_CLASSES; i++)
        cli_json_append(&probabilities, cli_json_float(prediction->probabilities[i]));
    json_t *label = prediction->label < 0 ? json_null() : json_integer(prediction->label);
    return cli_json_print(json_pack("{s:s, s:o, s:i, s:o, s:o}", "event", "prediction", "image",
                                    cli_json_text(prediction->name), "digit", prediction->digit, "label", label,
                                    "probabilities", probabilities),
                          error);
}

/* The digit first, so that a script can read it. */
static void print_text(const struct cli_options *options, const struct prediction *prediction)
{
    printf("%d", prediction->digit);
    if (!options->quiet) {
        int top[3];
        cli_top_three(prediction->probabilities, top);
        for (int i = 0; i < 3; i++)
            printf("%s%d %.2f%%", i ? "  " : "    ", top[i], 100 * (double)prediction->probabilities[top[i]]);
        printf("    %s", prediction->name);
        if (prediction->label >= 0)
            printf(", labelled %d", prediction->label);
    }
    putchar('\n');
    if (options->show)
        cli_draw_image(stdout, prediction->pixels, cli_terminal_utf8(stdout), NULL);
    fflush(stdout);
}

static mnist_fast_status predict_one(mnist_fast *network, const struct cli_options *options, mnist_fast_images *test,
                                     const char *operand, mnist_fast_error *error)
{
    struct prediction prediction = {.name = operand, .label = -1};
    size_t index;
    mnist_fast_status status = is_test_image(operand, &index)
                                   ? read_test_image(options, test, index, &prediction, error)
                                   : read_picture(options, &prediction, error);
    if (!status && options->dump_input)
        status = cli_picture_write(options->dump_input, prediction.pixels, error);
    if (status)
        return status;
    const mnist_fast_images image = {.pixels = prediction.pixels, .count = 1};
    mnist_fast_error reason;
    status = mnist_fast_predict(network, &image, &prediction.digit, prediction.probabilities, &reason);
    if (status)
        return cli_fail(error, status, "%s: %s", options->models.text[0], reason.text);
    if (options->json)
        return print_json(&prediction, error);
    if (options->csv)
        print_csv(&prediction);
    else
        print_text(options, &prediction);
    return MNIST_FAST_OK;
}

int cli_predict(const struct cli_options *options)
{
    const mnist_fast_runtime runtime = cli_runtime(options);
    mnist_fast_images test = {0};
    mnist_fast *network;
    mnist_fast_error error;
    if (mnist_fast_load(options->models.text[0], &runtime, &network, &error))
        return cli_failed(&error);
    if (options->csv)
        puts("image,digit,p0,p1,p2,p3,p4,p5,p6,p7,p8,p9");
    int code = CLI_DONE;
    for (int i = 0; i < options->operand_count; i++)
        if (predict_one(network, options, &test, options->operands[i], &error))
            code = cli_failed(&error);
    mnist_fast_free(network);
    mnist_fast_free_images(&test);
    return code;
}
