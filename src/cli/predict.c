/* `mnist_fast predict`: images of the test set. */
#include "commands.h"
#include "draw.h"
#include "program.h"
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "test:N" with N in digits; anything else is the name of a picture. */
static bool read_operand(const char *operand, size_t *index)
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

static mnist_fast_status predict_one(mnist_fast *network, const struct cli_options *options,
                                     const mnist_fast_images *test, const char *operand, size_t index,
                                     mnist_fast_error *error)
{
    const mnist_fast_images image = {.pixels = test->pixels + index * MNIST_FAST_PIXELS, .count = 1};
    float probabilities[MNIST_FAST_CLASSES];
    uint8_t digit;
    const mnist_fast_status status = mnist_fast_predict(network, &image, &digit, probabilities, error);
    if (status)
        return status;
    printf("%d", digit);
    if (!options->quiet) {
        int top[3];
        cli_top_three(probabilities, top);
        for (int j = 0; j < 3; j++)
            printf("%s%d %.2f%%", j ? "  " : "    ", top[j], 100 * (double)probabilities[top[j]]);
        printf("    %s, labelled %d", operand, test->labels[index]);
    }
    putchar('\n');
    if (options->show)
        cli_draw_image(stdout, image.pixels, cli_terminal_utf8(stdout), NULL);
    return MNIST_FAST_OK;
}

int cli_predict(const struct cli_options *options)
{
    const mnist_fast_runtime runtime = cli_runtime(options);
    mnist_fast_images test = {0};
    mnist_fast *network = NULL;
    mnist_fast_error error;
    size_t index;
    int code = CLI_FAILED;
    for (int i = 0; i < options->operand_count; i++)
        if (!read_operand(options->operands[i], &index)) {
            cli_message("%s: pictures are not supported yet; give test:N for test image N", options->operands[i]);
            goto done;
        }
    if (mnist_fast_load(options->models.text[0], &runtime, &network, &error)) {
        cli_failed(&error);
        goto done;
    }
    if (cli_load_images(options, MNIST_FAST_TEST, true, &test) != CLI_DONE)
        goto done;
    for (int i = 0; i < options->operand_count; i++)
        if (read_operand(options->operands[i], &index) && index >= test.count) {
            cli_message("%s: there is no such test image (expected 0 to %zu)", options->operands[i], test.count - 1);
            goto done;
        }
    for (int i = 0; i < options->operand_count; i++) {
        read_operand(options->operands[i], &index);
        if (predict_one(network, options, &test, options->operands[i], index, &error)) {
            cli_message("%s: %s", options->models.text[0], error.text);
            goto done;
        }
    }
    code = CLI_DONE;
done:
    mnist_fast_free(network);
    mnist_fast_free_images(&test);
    return code;
}
