/* Train a network, say how good it is, and save it: train_and_save DATA MODEL [EPOCHS]
 *
 * DATA: a folder of the four MNIST files. Build: cc train_and_save.c $(pkg-config --cflags --libs mnist_fast) */
#include <mnist_fast.h>
#include <stdio.h>
#include <stdlib.h>

/* Called after every batch. user is what was given to mnist_fast_train. */
static int show_epoch(const mnist_fast_progress *progress, void *user)
{
    (void)user;
    if (progress->epoch_done)
        printf("epoch %d of %d: validation accuracy %.2f%%, %.0f images/s\n", progress->epoch, progress->epochs,
               100 * progress->validation.accuracy, progress->images_per_second);
    return 0; /* go on */
}

static mnist_fast_status train_and_save(const char *data, const char *model, int epochs, mnist_fast_error *error)
{
    mnist_fast_images train = {NULL, NULL, 0}, test = {NULL, NULL, 0};
    mnist_fast *network = NULL;
    mnist_fast_config config;
    mnist_fast_metrics metrics;
    mnist_fast_status status;

    mnist_fast_default_config(&config, sizeof config);
    config.hidden[0] = 128;
    config.hidden_count = 1;
    config.batch_size = 100;
    if ((status = mnist_fast_check_writable(model, error)) || /* before the work, not after it */
        (status = mnist_fast_load_images(data, MNIST_FAST_TRAIN, 1, &train, error)) ||
        (status = mnist_fast_load_images(data, MNIST_FAST_TEST, 1, &test, error)) ||
        (status = mnist_fast_create(&config, NULL, &network, error)) ||
        (status = mnist_fast_train(network, &train, epochs, show_epoch, NULL, error)) ||
        (status = mnist_fast_evaluate(network, &test, &metrics, NULL, error)) ||
        (status = mnist_fast_save(network, model, error)))
        goto done;
    printf("test accuracy %.2f%%\n", 100 * metrics.accuracy);
done:
    mnist_fast_free(network);
    mnist_fast_free_images(&train);
    mnist_fast_free_images(&test);
    return status;
}

int main(int argc, char **argv)
{
    mnist_fast_error error;
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: train_and_save DATA MODEL [EPOCHS]\n");
        return 2;
    }
    if (train_and_save(argv[1], argv[2], argc == 4 ? atoi(argv[3]) : 5, &error)) {
        fprintf(stderr, "train_and_save: %s\n", error.text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
