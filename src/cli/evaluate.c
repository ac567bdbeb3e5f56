/* `mnist_fast evaluate`: the test images. */
#include "commands.h"
#include "program.h"
#include "session.h"

#include <stdio.h>

static void print_confusion(uint32_t confusion[MNIST_FAST_CLASSES][MNIST_FAST_CLASSES])
{
    printf("\n  confusion: a row for each digit, a column for what it is read as\n\n      ");
    for (int i = 0; i < MNIST_FAST_CLASSES; i++)
        printf("%6d", i);
    printf("   correct\n");
    for (int i = 0; i < MNIST_FAST_CLASSES; i++) {
        uint32_t sum = 0;
        printf("  %4d", i);
        for (int j = 0; j < MNIST_FAST_CLASSES; j++) {
            sum += confusion[i][j];
            if (confusion[i][j])
                printf("%6u", confusion[i][j]);
            else
                printf("     .");
        }
        if (sum)
            printf("   %6.2f%%\n", 100.0 * confusion[i][i] / sum);
        else
            printf("         -\n");
    }
}

int cli_evaluate(const struct cli_options *options)
{
    const mnist_fast_runtime runtime = cli_runtime(options);
    mnist_fast_images images = {0};
    mnist_fast *network;
    mnist_fast_error error;
    if (mnist_fast_load(options->model, &runtime, &network, &error))
        return cli_failed(&error);
    int code = cli_load_images(options, MNIST_FAST_TEST, true, &images);
    if (code != CLI_DONE)
        goto done;
    cli_warn_of_threads(network);

    uint32_t confusion[MNIST_FAST_CLASSES][MNIST_FAST_CLASSES];
    mnist_fast_metrics metrics;
    if (mnist_fast_evaluate(network, &images, &metrics, confusion, &error)) {
        cli_message("%s: %s", options->model, error.text);
        code = CLI_FAILED;
        goto done;
    }
    printf("  test      loss %.4f, accuracy %.2f%%\n", metrics.loss, 100 * metrics.accuracy);
    printf("  weights   crc32 %08x\n", mnist_fast_weights_crc32(network));
    if (!options->quiet)
        print_confusion(confusion);
done:
    mnist_fast_free(network);
    mnist_fast_free_images(&images);
    return code;
}
