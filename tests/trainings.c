#include "trainings.h"

static const int hidden[] = {17, 9};
mnist_fast_images images;

void trainings_begin(void)
{
    folder_make();
    struct random random = random_from(700, 0, 0, 0);
    images = images_new(&random, IMAGES);
}

void trainings_end(void)
{
    mnist_fast_free_images(&images);
    folder_remove();
}

mnist_fast *new_network(int threads)
{
    const mnist_fast_config config = config_of(BATCH, 0.1, 2, hidden);
    return network_new(&config, support_isas[0], threads, false);
}

uint32_t undisturbed(void)
{
    mnist_fast *network = new_network(1);
    train(network, &images, EPOCHS, NULL, NULL);
    const uint32_t crc = mnist_fast_weights_crc32(network);
    mnist_fast_free(network);
    return crc;
}

void expect_status(const char *what, mnist_fast_status found, mnist_fast_status expected)
{
    if (found != expected)
        support_fail("%s: %s, expected %s", what, mnist_fast_status_name(found), mnist_fast_status_name(expected));
}

void expect_position(const mnist_fast *network, int epoch, int batch, uint64_t step)
{
    const mnist_fast_position position = mnist_fast_get_position(network);
    if (position.epoch != epoch || position.batch != batch || position.step != step)
        support_fail("at epoch %d, batch %d, step %d; expected %d, %d, %d", position.epoch, position.batch,
                     (int)position.step, epoch, batch, (int)step);
}

mnist_fast *stopped_network(int threads, int at)
{
    mnist_fast *network = new_network(threads);
    struct stop stop = {.at = at};
    expect_status("train", mnist_fast_train(network, &images, EPOCHS, stop_at, &stop, NULL), MNIST_FAST_STOPPED);
    expect_position(network, at / BATCHES, at % BATCHES, (uint64_t)at);
    return network;
}
