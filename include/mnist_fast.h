/* mnist_fast: train and run a fully connected recogniser of handwritten digits.
 *
 * The network is 784 inputs, any number of hidden layers with ReLU, 10 outputs with softmax. One seed gives one
 * model: the same bytes on every instruction set and with every number of threads.
 *
 * The library never prints, exits, or touches signals, the locale or the floating-point environment. One object is
 * used by one thread at a time; several objects may be used from several threads at once.
 *
 * Every function that can fail returns a status, and explains it in *error when error is not NULL.
 * SPDX-License-Identifier: MIT */
#ifndef MNIST_FAST_H
#define MNIST_FAST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MNIST_FAST_API __attribute__((visibility("default")))
#else
#define MNIST_FAST_API
#endif

#define MNIST_FAST_VERSION "0.1.0"

enum {
    MNIST_FAST_PIXELS = 784,      /* 28 rows of 28 */
    MNIST_FAST_CLASSES = 10,      /* the digits */
    MNIST_FAST_MAX_HIDDEN = 16,   /* hidden layers at most */
    MNIST_FAST_MAX_UNITS = 16384, /* units of a hidden layer at most */
    MNIST_FAST_MAX_THREADS = 1024
};

typedef enum mnist_fast_status {
    MNIST_FAST_OK = 0,
    MNIST_FAST_BAD_ARGUMENT, /* a value outside its range */
    MNIST_FAST_NO_MEMORY,
    MNIST_FAST_NO_ISA,    /* an instruction set that is unknown, not built in, or not on this CPU */
    MNIST_FAST_BAD_FILE,  /* a file that cannot be read or written */
    MNIST_FAST_BAD_DATA,  /* a data file that is not what it should be */
    MNIST_FAST_BAD_MODEL, /* a model file that is not what it should be */
    MNIST_FAST_DIVERGED,  /* the loss is no longer finite */
    MNIST_FAST_STOPPED    /* the report callback asked to stop */
} mnist_fast_status;

typedef struct mnist_fast_error {
    char text[512]; /* one line: what happened (expected, found); what to do */
} mnist_fast_error;

/* A network with its kernels, threads and working memory. */
typedef struct mnist_fast mnist_fast;

/* How to compute. Zeroed means: the best instruction set of this CPU, the threads that make sense here. */
typedef struct mnist_fast_runtime {
    const char *isa; /* "scalar", "avx2", "avx512", "neon"; NULL: MNIST_FAST_ISA, else the best */
    int threads;     /* 1 to MNIST_FAST_MAX_THREADS; 0: OMP_NUM_THREADS, else min(affinity, CPU quota, cores) */
} mnist_fast_runtime;

/* What to train, and how. Fill with mnist_fast_default_config, then change what you like. */
typedef struct mnist_fast_config {
    int hidden[MNIST_FAST_MAX_HIDDEN]; /* units of each hidden layer, 1 to MNIST_FAST_MAX_UNITS */
    int hidden_count;                  /* 1 to MNIST_FAST_MAX_HIDDEN; 3 layers of 500 */
    int batch_size;                    /* images a step, 1 to 2^20; 1000 */
    float learning_rate;               /* finite, > 0; 0.001 */
    float beta1, beta2, epsilon;       /* Adam; 0.9, 0.999, 1e-7 (added outside the root) */
    double validation_fraction;        /* share of the images held out, in [0, 1); 0.1 */
    int shuffle_buffer;                /* >= 1; 10000 */
    uint64_t seed;                     /* 1 */
} mnist_fast_config;

/* Images: count * 784 bytes, rows from the top, 0 = background, 255 = ink. Labels: count bytes, 0 to 9. */
typedef struct mnist_fast_images {
    const uint8_t *pixels;
    const uint8_t *labels; /* may be NULL where only a prediction is asked for */
    size_t count;
} mnist_fast_images;

typedef struct mnist_fast_metrics {
    double loss;     /* mean cross-entropy, natural logarithm */
    double accuracy; /* share of images classified correctly, 0 to 1 */
} mnist_fast_metrics;

/* What the report callback is told. */
typedef struct mnist_fast_progress {
    int epoch, epochs;  /* epoch counts from 1 */
    int batch, batches; /* batch counts from 1; batch == batches once an epoch is complete and validated */
    int epoch_done;     /* 1 once an epoch is complete and validated: the fields below are then valid */
    double seconds;     /* of this epoch, validation included */
    mnist_fast_metrics train, validation; /* train: the mean over the epoch's batches, each before its update;
                                             validation: NaN when nothing is held out */
    double images_per_second;             /* training images over seconds */
} mnist_fast_progress;

/* Called on the calling thread after every batch and every epoch; return nonzero to stop. */
typedef int mnist_fast_progress_callback(const mnist_fast_progress *progress, void *user);

MNIST_FAST_API void mnist_fast_default_config(mnist_fast_config *config);

/* A fresh network: Glorot uniform weights from config->seed, zero biases. *network is NULL on failure. */
MNIST_FAST_API mnist_fast_status mnist_fast_create(const mnist_fast_config *config, const mnist_fast_runtime *runtime,
                                                   mnist_fast **network, mnist_fast_error *error);

/* Read a network from a safetensors file; runtime may be NULL. *network is NULL on failure. */
MNIST_FAST_API mnist_fast_status mnist_fast_load(const char *path, const mnist_fast_runtime *runtime,
                                                 mnist_fast **network, mnist_fast_error *error);

/* Write the network to path: to a temporary beside it, synced, then renamed. The old file or the new one is there at
 * any instant. */
MNIST_FAST_API mnist_fast_status mnist_fast_save(const mnist_fast *network, const char *path, mnist_fast_error *error);

/* Train on images (with labels), as the config given to mnist_fast_create says, until the network has `epochs` epochs
 * behind it in all. Training goes on from where the network stands, so a larger number trains longer, and a stopped
 * training ends in the same bytes as one that was never stopped. report may be NULL. */
MNIST_FAST_API mnist_fast_status mnist_fast_train(mnist_fast *network, const mnist_fast_images *images, int epochs,
                                                  mnist_fast_progress_callback *report, void *user,
                                                  mnist_fast_error *error);

/* Classify images->count images. digits: count bytes; probabilities: count * 10 floats, or NULL. */
MNIST_FAST_API mnist_fast_status mnist_fast_predict(mnist_fast *network, const mnist_fast_images *images,
                                                    uint8_t *digits, float *probabilities, mnist_fast_error *error);

/* Loss and accuracy over labelled images. confusion may be NULL; else confusion[true][predicted] counts. */
MNIST_FAST_API mnist_fast_status mnist_fast_evaluate(mnist_fast *network, const mnist_fast_images *images,
                                                     mnist_fast_metrics *metrics,
                                                     uint32_t confusion[MNIST_FAST_CLASSES][MNIST_FAST_CLASSES],
                                                     mnist_fast_error *error);

/* zlib's crc32 over the weights in file order: two equal checksums are, in practice, the same model. */
MNIST_FAST_API uint32_t mnist_fast_weights_crc32(const mnist_fast *network);

MNIST_FAST_API const char *mnist_fast_isa(const mnist_fast *network);        /* the kernels in use */
MNIST_FAST_API int mnist_fast_threads(const mnist_fast *network);            /* the threads in use */
MNIST_FAST_API size_t mnist_fast_parameter_count(const mnist_fast *network); /* weights and biases, counted */

MNIST_FAST_API void mnist_fast_free(mnist_fast *network); /* accepts NULL */

#ifdef __cplusplus
}
#endif
#endif
