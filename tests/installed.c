/* A user's first program, for make installcheck: C11 and C++17, against the installed header and library. */
#include <mnist_fast.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 200 };

static uint8_t pixels[COUNT * MNIST_FAST_PIXELS], labels[COUNT], digits[COUNT];

int main(void)
{
    /* Each digit is a bright row of its own. */
    for (int i = 0; i < COUNT; i++) {
        labels[i] = (uint8_t)(i % MNIST_FAST_CLASSES);
        for (int column = 0; column < 28; column++)
            pixels[i * MNIST_FAST_PIXELS + labels[i] * 2 * 28 + column] = 255;
    }

    mnist_fast_images images = {pixels, labels, COUNT};
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    config.hidden[0] = 32;
    config.hidden_count = 1;
    config.batch_size = 20;
    config.learning_rate = 0.01f;

    mnist_fast_runtime runtime = MNIST_FAST_RUNTIME_INIT;
    runtime.threads = 2;

    mnist_fast *network;
    mnist_fast_error error;
    if (strcmp(mnist_fast_version(), MNIST_FAST_VERSION) != 0) {
        fprintf(stderr, "installed: header %s, library %s\n", MNIST_FAST_VERSION, mnist_fast_version());
        return EXIT_FAILURE;
    }
    if (mnist_fast_create(&config, &runtime, &network, &error) != MNIST_FAST_OK ||
        mnist_fast_train(network, &images, 20, NULL, NULL, &error) != MNIST_FAST_OK ||
        mnist_fast_predict(network, &images, digits, NULL, &error) != MNIST_FAST_OK) {
        fprintf(stderr, "installed: %s\n", error.text);
        return EXIT_FAILURE;
    }
    int right = 0;
    for (int i = 0; i < COUNT; i++)
        right += digits[i] == labels[i];
    printf("installed: %s, %d of %d right\n", mnist_fast_isa(network), right, COUNT);
    mnist_fast_free(network);
    return right == COUNT ? EXIT_SUCCESS : EXIT_FAILURE;
}
