/* bits CASE ISA THREADS sparse|dense DATA MODEL: one training of tests/bits, by the library. Saves the model and prints
 * the checksum of its weights. ISA is a name such as avx2, with -bf16 after it for that precision; emulated-amx-bf16
 * and emulated-avx512bf16-bf16 are kernels on emulated instructions. */
#include "base/error.h"
#include "engine/network.h"
#include "tiled_emulated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a case names nothing, the default configuration stands. */
static const struct bits_case {
    const char *name;
    size_t images; /* the first of the training set */
    int epochs, batch, hidden_count, hidden[MNIST_FAST_MAX_HIDDEN];
    bool deformed; /* by every kind of deformation */
} cases[] = {
    {.name = "default", .images = 60000, .epochs = 5},
    {.name = "full", .images = 60000, .epochs = 1}, /* 54 steps, what `mnist_fast --epochs 1` does */
    {.name = "short", .images = 2500, .epochs = 1}, /* 3 steps at full size, the last on a quarter of a batch */
    {.name = "odd", .images = 300, .epochs = 1, .batch = 97, .hidden_count = 3, .hidden = {37, 501, 3}},
    {.name = "one", .images = 300, .epochs = 2, .hidden_count = 1, .hidden = {65}}, /* fewer images than a batch */
    {.name = "deformed", .images = 300, .epochs = 2, .batch = 97, .hidden_count = 1, .hidden = {65}, .deformed = true},
    {.name = "six", .images = 300, .epochs = 1, .batch = 32, .hidden_count = 6, .hidden = {40, 33, 32, 17, 16, 9}},
};

static const struct bits_case *find(const char *name)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!strcmp(cases[i].name, name))
            return &cases[i];
    return NULL;
}

/* As mnist_fast_create, for what the library has no name for. */
static mnist_fast_status create_emulated(const char *isa, const mnist_fast_config *config, int threads,
                                         mnist_fast **network, mnist_fast_error *error)
{
#ifdef __x86_64__
    const struct mf_runtime runtime = {
        .kernels = strcmp(isa, "emulated-amx") ? &mf_kernels_emulated_avx512bf16 : &mf_kernels_emulated_amx,
        .threads = threads,
        .cpu = mf_cpu_read(),
    };
    if (runtime.kernels->supported()) {
        const mnist_fast_status status = mf_network_create(config, &runtime, network, error);
        if (!status)
            mf_network_initialise(*network);
        return status;
    }
#endif
    (void)isa, (void)config, (void)threads, (void)network;
    return mf_fail(error, MNIST_FAST_NO_ISA, "instruction set: emulated instructions need AVX2");
}

int main(int argc, char **argv)
{
    const struct bits_case *c = argc == 7 ? find(argv[1]) : NULL;
    if (!c) {
        fprintf(stderr, "usage: bits CASE ISA THREADS sparse|dense DATA MODEL\n");
        return 2;
    }
    const char *suffix = strstr(argv[2], "-bf16");
    char isa[32];
    snprintf(isa, sizeof isa, "%.*s", (int)(suffix ? suffix - argv[2] : 31), argv[2]);
    mnist_fast_runtime runtime = MNIST_FAST_RUNTIME_INIT;
    runtime.isa = isa;
    runtime.threads = atoi(argv[3]);
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    config.precision = suffix ? MNIST_FAST_BF16 : MNIST_FAST_FP32;
    if (c->batch)
        config.batch_size = c->batch;
    if (c->hidden_count) {
        config.hidden_count = c->hidden_count;
        memset(config.hidden, 0, sizeof config.hidden);
        memcpy(config.hidden, c->hidden, (size_t)c->hidden_count * sizeof *c->hidden);
    }
    if (c->deformed) {
        config.rotation = 0.25;
        config.shear = 0.1;
        config.scale = 0.15;
        config.shift = 1.5;
        config.elastic = 4;
    }

    mnist_fast_images images = {0};
    mnist_fast *network = NULL;
    mnist_fast_error error;
    int code = 1;
    if (mnist_fast_load_images(argv[5], MNIST_FAST_TRAIN, 1, &images, &error) ||
        (strncmp(isa, "emulated", 8) ? mnist_fast_create(&config, &runtime, &network, &error)
                                     : create_emulated(isa, &config, runtime.threads, &network, &error)))
        goto done;
    if (images.count < c->images) {
        snprintf(error.text, sizeof error.text, "%s: expected at least %zu images, found %zu", argv[5], c->images,
                 images.count);
        goto done;
    }
    network->dense = !strcmp(argv[4], "dense");
    network->all_threads = true;
    const mnist_fast_images first = {.pixels = images.pixels, .labels = images.labels, .count = c->images};
    if (mnist_fast_train(network, &first, c->epochs, NULL, NULL, &error) || mnist_fast_save(network, argv[6], &error))
        goto done;
    printf("%s%s %d %08x\n", strncmp(isa, "emulated", 8) ? mnist_fast_isa(network) : isa, suffix ? suffix : "",
           mnist_fast_threads(network), mnist_fast_weights_crc32(network));
    code = 0;
done:
    if (code)
        fprintf(stderr, "bits: %s\n", error.text);
    mnist_fast_free(network);
    mnist_fast_free_images(&images);
    return code;
}
