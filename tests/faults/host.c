/* A program that embeds the library and asks for everything again that has failed: what fails once must succeed the
 * second time, and give the same numbers. tests/faults/run starts it as `host FOLDER DATA`. */
#include "mnist_fast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *within; /* the call that is under way; NULL: none */

/* The library must not end the process of its host. */
static void at_exit(void)
{
    if (within)
        fprintf(stderr, "host: the process ended within %s\n", within);
}

/* Whether the call has to be repeated; ends the process where it has failed before. */
static int again(const char *call, mnist_fast_status status, const mnist_fast_error *error, int *failures)
{
    within = NULL;
    if (status == MNIST_FAST_OK)
        return 0;
    const char *const end = memchr(error->text, '\0', sizeof error->text);
    if (!end || end == error->text || strchr(error->text, '\n')) {
        fprintf(stderr, "host: %s: the error is not one line\n", call);
        exit(97);
    }
    if (++*failures < 2)
        return 1;
    fprintf(stderr, "host: %s: %s\n", call, error->text);
    exit(1);
}

static mnist_fast_error error;

#define TRY(function, ...)                                                                                             \
    do {                                                                                                               \
        int failures = 0;                                                                                              \
        do                                                                                                             \
            within = #function;                                                                                        \
        while (again(#function, function(__VA_ARGS__), &error, &failures));                                            \
    } while (0)

static mnist_fast *network, *loaded, *resumed;
static mnist_fast_images train, test;

/* Also where a call has failed: what it left must not be lost. */
static void release(void)
{
    mnist_fast_free(network);
    mnist_fast_free(loaded);
    mnist_fast_free(resumed);
    mnist_fast_free_images(&train);
    mnist_fast_free_images(&test);
    network = loaded = resumed = NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    atexit(release);
    atexit(at_exit);
    char model[4096], checkpoint[4096], note[4096];
    snprintf(model, sizeof model, "%s/model", argv[1]);
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", argv[1]);
    snprintf(note, sizeof note, "%s/note", argv[1]);

    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    config.hidden[0] = 64; /* enough work for two threads */
    config.hidden_count = 1;
    config.batch_size = 100;
    config.patience = 3;
    mnist_fast_runtime runtime = MNIST_FAST_RUNTIME_INIT;
    runtime.threads = 2;
    uint32_t crc32 = 0, confusion[MNIST_FAST_CLASSES][MNIST_FAST_CLASSES];
    mnist_fast_metrics metrics;
    static uint8_t digits[100];
    static float probabilities[100 * MNIST_FAST_CLASSES];

    TRY(mnist_fast_load_images, argv[2], MNIST_FAST_TRAIN, 1, &train, &error);
    TRY(mnist_fast_load_images, argv[2], MNIST_FAST_TEST, 1, &test, &error);
    TRY(mnist_fast_create, &config, &runtime, &network, &error);
    TRY(mnist_fast_check_writable, model, &error);
    TRY(mnist_fast_train, network, &train, 1, NULL, NULL, &error);
    TRY(mnist_fast_save_checkpoint, network, checkpoint, 5, &error);
    TRY(mnist_fast_load_checkpoint, checkpoint, &runtime, &resumed, &crc32, &error);
    TRY(mnist_fast_train, resumed, &train, 2, NULL, NULL, &error);
    TRY(mnist_fast_save, resumed, model, &error);
    TRY(mnist_fast_load, model, &runtime, &loaded, &error);
    TRY(mnist_fast_evaluate, loaded, &test, &metrics, confusion, &error);
    TRY(mnist_fast_predict, loaded, &test, digits, probabilities, &error);
    TRY(mnist_fast_write_file, note, "note", 4, &error);

    printf("%08x %08x %u %.9g\n", mnist_fast_weights_crc32(resumed), mnist_fast_weights_crc32(loaded), crc32,
           metrics.loss);
    for (size_t i = 0; i < test.count; i++)
        printf("%d %a\n", digits[i], (double)probabilities[i * MNIST_FAST_CLASSES]);
    return ferror(stdout) || fflush(stdout) ? 96 : 0;
}
