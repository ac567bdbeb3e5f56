/* Recognise digits in a program of your own: predict MODEL < PIXELS
 *
 * PIXELS: images of 28 x 28 bytes, rows from the top, 0 = background, 255 = ink. Prints a digit for each, and how sure
 * the network is. Build: cc predict.c $(pkg-config --cflags --libs mnist_fast) */
#include <mnist_fast.h>
#include <stdio.h>
#include <stdlib.h>

/* Load once, predict often: a network keeps its threads and working memory. For single images one thread is best. */
static mnist_fast *open_model(const char *path, mnist_fast_error *error)
{
    mnist_fast_runtime runtime = MNIST_FAST_RUNTIME_INIT;
    mnist_fast *network;
    runtime.threads = 1;
    mnist_fast_load(path, &runtime, &network, error);
    return network; /* NULL where that failed */
}

int main(int argc, char **argv)
{
    uint8_t pixels[MNIST_FAST_PIXELS];
    mnist_fast_error error;
    if (argc != 2) {
        fprintf(stderr, "usage: predict MODEL < PIXELS\n");
        return 2;
    }
    mnist_fast *network = open_model(argv[1], &error);
    if (!network) {
        fprintf(stderr, "predict: %s\n", error.text);
        return EXIT_FAILURE;
    }

    mnist_fast_status status = MNIST_FAST_OK;
    while (!status && fread(pixels, sizeof pixels, 1, stdin) == 1) {
        mnist_fast_images image = {pixels, NULL, 1};
        float probabilities[MNIST_FAST_CLASSES];
        uint8_t digit;
        status = mnist_fast_predict(network, &image, &digit, probabilities, &error);
        if (!status)
            printf("%d %.2f%%\n", digit, 100 * (double)probabilities[digit]);
    }
    mnist_fast_free(network);
    if (status)
        fprintf(stderr, "predict: %s\n", error.text);
    else if (ferror(stdin))
        perror("predict: standard input");
    return status || ferror(stdin) ? EXIT_FAILURE : EXIT_SUCCESS;
}
