/* mnist_fast: train and run a fully connected recogniser of handwritten digits.
 *
 * The network has 784 inputs, any number of hidden layers with ReLU, and 10 outputs with softmax. One seed gives one
 * model: the same bytes on every instruction set and with every number of threads.
 *
 * Errors. Every function that can fail returns a status, and writes one line into *error when error is not NULL. A
 * pointer that must not be NULL and is NULL gives MNIST_FAST_BAD_ARGUMENT. The library never prints or exits, and
 * never touches signal handlers, the locale of the process or the floating-point environment.
 *
 * Threads. One network is used by one thread at a time; several networks may be used from several threads at once.
 * Functions that only read a network (const) may run at the same time as each other. A network computes on a team of
 * OpenMP threads of its own size (mnist_fast_threads), whatever the host program's OpenMP settings are. Where the
 * system does not give so many threads, that is an error. In a process that was forked after a network had computed,
 * networks compute on one thread (the same results): the other threads exist in the parent only. An allocation that
 * fails within the OpenMP runtime itself, which needs little memory, ends the process: it has no way to return it.
 *
 * Stability. Before version 1.0 a new minor version may change the interface; the shared library's soname has the
 * major version, and its symbols are versioned (MNIST_FAST_0). Structures whose first member is `size` may grow at the
 * end: the caller says how much of them it knows. A library accepts a larger structure than its own when the rest is
 * zero, and a smaller one, whose missing members are taken as zero; a member added later means "as before" when it is
 * zero. The other structures are frozen. Enumerations may get new members at the end.
 *
 * AMX. Where a network of MNIST_FAST_BF16 is created, and where "amx" is asked for by name, the library asks Linux for
 * the permission to use its tiles (arch_prctl, ARCH_REQ_XCOMP_PERM); it then counts for the process and all its
 * threads. Signal frames grow by the 8 KB of the tiles: a thread that handles signals on a stack of its own
 * (sigaltstack) needs one of at least getauxval(AT_MINSIGSTKSZ) bytes, and the kernel refuses the permission while a
 * smaller one is in use; networks then compute by other instructions, with the same results. The tiles are configured
 * and released within each computation. As the calling convention has it, they are not preserved over a call of the
 * library.
 *
 * Memory. Buffers that the caller passes need no alignment, and are not kept after the call.
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

#define MNIST_FAST_VERSION "0.1.0" /* of this header; mnist_fast_version() is that of the library */

enum {
    MNIST_FAST_PIXELS = 784,           /* 28 rows of 28 */
    MNIST_FAST_CLASSES = 10,           /* the digits */
    MNIST_FAST_MAX_HIDDEN = 16,        /* hidden layers at most */
    MNIST_FAST_MAX_UNITS = 16384,      /* units of a hidden layer at most */
    MNIST_FAST_MAX_BATCH = 1 << 20,    /* images of a batch at most */
    MNIST_FAST_MAX_IMAGES = INT32_MAX, /* images of a training or an evaluation at most */
    MNIST_FAST_MAX_THREADS = 1024
};

/* The strengths of a deformation at most; their units are those of mnist_fast_config. */
#define MNIST_FAST_MAX_ROTATION 1.0
#define MNIST_FAST_MAX_SHEAR 1.0
#define MNIST_FAST_MAX_SCALE 0.5
#define MNIST_FAST_MAX_SHIFT 28.0
#define MNIST_FAST_MAX_ELASTIC 28.0

typedef enum mnist_fast_status {
    MNIST_FAST_OK = 0,
    MNIST_FAST_BAD_ARGUMENT, /* a value outside its range */
    MNIST_FAST_NO_MEMORY,
    MNIST_FAST_NO_ISA,     /* an instruction set that is unknown, not built in, or not on this CPU */
    MNIST_FAST_BAD_FILE,   /* a file that cannot be read or written */
    MNIST_FAST_BAD_DATA,   /* a data file that is not what it should be */
    MNIST_FAST_BAD_MODEL,  /* a model file that is not what it should be */
    MNIST_FAST_DIVERGED,   /* a loss, weight or probability is not finite */
    MNIST_FAST_STOPPED,    /* the progress callback asked to stop */
    MNIST_FAST_BUSY,       /* the network is training: see mnist_fast_progress_callback */
    MNIST_FAST_BAD_MACHINE /* this CPU or build computes wrong numbers: see mnist_fast_selftest */
} mnist_fast_status;

/* The name of a status, such as "MNIST_FAST_BAD_FILE"; "unknown status" for any other number. Never NULL. */
MNIST_FAST_API const char *mnist_fast_status_name(mnist_fast_status status);

typedef struct mnist_fast_error {
    char text[512]; /* one line: what happened (expected, found); what to do */
} mnist_fast_error;

/* The version of the library that runs, such as "0.1.0". */
MNIST_FAST_API const char *mnist_fast_version(void);

/* ---- The machine ---- */

/* The instruction sets built in that compute in both precisions, best first: "avx512", "avx2", "neon", "scalar". NULL:
 * index is past the last. "avx512bf16" and "amx" are not among them: they compute in bf16 alone. */
MNIST_FAST_API const char *mnist_fast_isa_name(int index);

/* Whether this CPU and its operating system can run it: 1 or 0. 0 for an unknown name and for NULL. */
MNIST_FAST_API int mnist_fast_isa_runnable(const char *name);

/* Of the products of training, evaluation and prediction. Either way one seed gives one model; weights and moments are
 * kept in single precision. A network has one precision for its whole life, and its files say which. */
typedef enum mnist_fast_precision {
    MNIST_FAST_FP32,
    MNIST_FAST_BF16 /* operands of 8 significant bits, sums in single precision: see docs/reproducibility.md */
} mnist_fast_precision;

/* What is in the way where it is not runnable, such as "this CPU does not have it": static text. NULL: nothing. */
MNIST_FAST_API const char *mnist_fast_isa_problem(const char *name);

/* The instruction set that computes in that precision where none is named. Never NULL. */
MNIST_FAST_API const char *mnist_fast_isa_choice(mnist_fast_precision precision);

typedef struct mnist_fast_cpu {
    size_t size;
    int processors;      /* that this process may run on */
    int cores;           /* physical cores among them */
    int quota;           /* floor of the cgroup's CPU quota, at least 1; 0: no quota */
    int default_threads; /* of a network: OMP_NUM_THREADS, else the least of the three above */
    size_t l1, l2, l3;   /* bytes of the caches for data; 0: not there, or unknown */
    int l2_cores;        /* of `cores`, that share an L2 */
    int l3_cores;        /* and an L3 */
} mnist_fast_cpu;

/* Fills *cpu, of which the caller knows `size` bytes: mnist_fast_get_cpu(&cpu, sizeof cpu). */
MNIST_FAST_API void mnist_fast_get_cpu(mnist_fast_cpu *cpu, size_t size);

/* How to compute. Start from MNIST_FAST_RUNTIME_INIT: the best instruction set of this CPU, the threads that make sense
 * here. Where a function takes a runtime, NULL means the same. */
typedef struct mnist_fast_runtime {
    size_t size;     /* sizeof(mnist_fast_runtime) */
    const char *isa; /* NULL: the environment's MNIST_FAST_ISA, else the best. What cannot run here is an error */
    int threads;     /* 1 to MNIST_FAST_MAX_THREADS; 0: mnist_fast_cpu's default_threads */
} mnist_fast_runtime;
#define MNIST_FAST_RUNTIME_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(mnist_fast_runtime), NULL, 0                                                                            \
    }

/* Whether a network could be created with it. */
MNIST_FAST_API mnist_fast_status mnist_fast_check_runtime(const mnist_fast_runtime *runtime, mnist_fast_error *error);

/* What mnist_fast_selftest found of one instruction set on one processor. */
typedef struct mnist_fast_selftest_result {
    const char *isa;     /* its name, and " bf16" for its kernels of that precision; valid until the callback returns */
    int processor;       /* its number; -1: a team of threads, wherever they run */
    const char *problem; /* one line, valid until the callback returns; NULL: none */
} mnist_fast_selftest_result;
typedef void mnist_fast_selftest_callback(const mnist_fast_selftest_result *result, void *user);

/* Whether this machine and this build compute what they should. On each processor that the process may use, on a thread
 * of its own that is bound to it, each instruction set that runs here is tested: every kernel against its definition in
 * plain C, bit for bit, and a short training against the checksum that it must have. The same training then runs on a
 * team of threads of the default size. No files are needed; it takes less than a second per processor.
 *
 * The callback is told each result, on the calling thread; it may be NULL. MNIST_FAST_BAD_MACHINE: the error is the
 * first problem. */
MNIST_FAST_API mnist_fast_status mnist_fast_selftest(mnist_fast_selftest_callback *callback, void *user,
                                                     mnist_fast_error *error);

/* ---- Images ---- */

/* count images of 784 bytes each: rows from the top, 0 = background, 255 = ink. */
typedef struct mnist_fast_images {
    const uint8_t *pixels; /* count * 784 */
    const uint8_t *labels; /* count, each 0 to 9; may be NULL where only a prediction is asked for */
    size_t count;
} mnist_fast_images;

typedef enum mnist_fast_part { MNIST_FAST_TRAIN, MNIST_FAST_TEST } mnist_fast_part;

/* Reads {train,t10k}-{images-idx3,labels-idx1}-ubyte from a folder: with '-' or '.' before "idx", raw or .gz (the first
 * that exists, raw before .gz). Every byte is checked. With labels == 0 no label file is read. The caller owns *images
 * until mnist_fast_free_images; on failure it is zeroed. */
MNIST_FAST_API mnist_fast_status mnist_fast_load_images(const char *folder, mnist_fast_part part, int labels,
                                                        mnist_fast_images *images, mnist_fast_error *error);
MNIST_FAST_API void mnist_fast_free_images(mnist_fast_images *images); /* accepts zeroed ones; leaves them zeroed */

/* zlib's crc32 over the pixels, then the labels: a fingerprint of the data for checkpoints. 0 for NULL. */
MNIST_FAST_API uint32_t mnist_fast_images_crc32(const mnist_fast_images *images);

/* ---- Networks ---- */

/* How the learning rate changes from step to step; see docs/training.md. */
typedef enum mnist_fast_schedule {
    MNIST_FAST_CONSTANT,
    MNIST_FAST_COSINE /* half a cosine from the learning rate to zero (Loshchilov and Hutter 2017) */
} mnist_fast_schedule;

/* What to train, and how. Start from mnist_fast_default_config. */
typedef struct mnist_fast_config {
    size_t size;                       /* sizeof(mnist_fast_config) */
    int hidden[MNIST_FAST_MAX_HIDDEN]; /* units of each hidden layer, 1 to MNIST_FAST_MAX_UNITS */
    int hidden_count;                  /* 1 to MNIST_FAST_MAX_HIDDEN; 3 layers of 500 */
    int batch_size;                    /* images a step, 1 to MNIST_FAST_MAX_BATCH; 1000 */
    float learning_rate;               /* finite, > 0; 0.001 */
    float beta1, beta2, epsilon;       /* Adam (Kingma and Ba 2015): [0, 1), [0, 1), finite and > 0; 0.9, 0.999, and
                                          1e-7 added outside the root */
    double validation_fraction;        /* of the images, held out: in [0, 1); 0.1 */
    int shuffle_buffer;                /* images that it holds, >= 1; 10000 */
    uint64_t seed;                     /* of all random numbers; 1 */
    double weight_decay;               /* decoupled, of the weights and not of the biases (AdamW, Loshchilov and Hutter
                                          2019): finite, >= 0; 0 */
    int patience;                      /* epochs without a better validation loss after which training ends; the best
                                          epoch is kept: see mnist_fast_best_epoch. >= 0; 0: off */
    mnist_fast_schedule schedule;      /* of the learning rate; MNIST_FAST_CONSTANT */
    int schedule_epochs;               /* after which a cosine ends; read by it alone, and then >= 1; 0 */
    int warmup_steps;                  /* over which the learning rate first rises in a straight line; >= 0; 0 */
    mnist_fast_precision precision;    /* MNIST_FAST_FP32 */
    double rotation, shear, scale; /* the strengths of a deformation that each training image has anew in each epoch,
                                      drawn evenly between minus them and them: an angle in radian; columns a row; of
                                      the width and of the height, each to itself; */
    double shift, elastic;         /* pixels in each direction; pixels by which each of 7 x 7 control points of a smooth
                                      field moves. 0 to MNIST_FAST_MAX_...; see docs/accuracy.md. 0: none */
} mnist_fast_config;

/* Fills *config, of which the caller knows `size` bytes: mnist_fast_default_config(&config, sizeof config). */
MNIST_FAST_API void mnist_fast_default_config(mnist_fast_config *config, size_t size);

/* A network with its kernels, threads and working memory. */
typedef struct mnist_fast mnist_fast;

/* A fresh network: Glorot uniform weights (Glorot and Bengio 2010) from config->seed, zero biases. The caller owns
 * *network until mnist_fast_free; it is NULL on failure. */
MNIST_FAST_API mnist_fast_status mnist_fast_create(const mnist_fast_config *config, const mnist_fast_runtime *runtime,
                                                   mnist_fast **network, mnist_fast_error *error);

MNIST_FAST_API void mnist_fast_free(mnist_fast *network); /* accepts NULL */

/* The configuration, of which the caller knows `size` bytes. */
MNIST_FAST_API void mnist_fast_get_config(const mnist_fast *network, mnist_fast_config *config, size_t size);

/* Changes what the next training does; the hidden layers and the precision must stay. Where a value that decides the
 * batches changes (batch size, validation fraction, shuffle buffer, seed, a strength of the deformation), an epoch that
 * is under way starts again. Where one changes that decides what is validated (validation fraction, seed), or patience
 * becomes 0, the best epoch is forgotten. */
MNIST_FAST_API mnist_fast_status mnist_fast_set_config(mnist_fast *network, const mnist_fast_config *config,
                                                       mnist_fast_error *error);

/* Where training is. */
typedef struct mnist_fast_position {
    int epoch;     /* complete epochs */
    int batch;     /* batches done of the epoch that is under way */
    uint64_t step; /* Adam steps in all */
} mnist_fast_position;
MNIST_FAST_API mnist_fast_position mnist_fast_get_position(const mnist_fast *network);

/* Forgets the batches done of the epoch that is under way, and the best epoch; for other images, of which they say
 * nothing. The weights that training goes on from stay as they are. */
MNIST_FAST_API void mnist_fast_restart_epoch(mnist_fast *network);

/* With patience: the epoch with the least validation loss so far, the first of equal ones; 0: none yet, or no patience.
 * From then on its weights are the network's: those that are predicted and evaluated with, saved and in the checksum.
 * Training goes on from the last weights all the same. loss may be NULL. */
MNIST_FAST_API int mnist_fast_best_epoch(const mnist_fast *network, double *loss);

MNIST_FAST_API const char *mnist_fast_isa(const mnist_fast *network);        /* the kernels in use */
MNIST_FAST_API int mnist_fast_threads(const mnist_fast *network);            /* at most: little work takes fewer */
MNIST_FAST_API size_t mnist_fast_parameter_count(const mnist_fast *network); /* weights and biases */

/* The layers with weights: one for each hidden layer, and that of the outputs. They count from 0. 0 for NULL. */
MNIST_FAST_API int mnist_fast_layer_count(const mnist_fast *network);

/* The inputs and units of a layer. in and out may be NULL. */
MNIST_FAST_API mnist_fast_status mnist_fast_get_layer_shape(const mnist_fast *network, int layer, int *in, int *out,
                                                            mnist_fast_error *error);

/* Copies the weights, (out, in) row-major: a row for each unit, as PyTorch's Linear has them, and the biases, (out).
 * Either may be NULL. */
MNIST_FAST_API mnist_fast_status mnist_fast_get_layer(const mnist_fast *network, int layer, float *weights,
                                                      float *biases, mnist_fast_error *error);

/* How the work of a training step is cut. It follows from the caches (mnist_fast_cpu), the network, the batch and the
 * threads, and changes the time alone, never a result. The environment's MNIST_FAST_BLOCK=rows,panels[,pixels] decides
 * instead where it is set when a network is created. */
typedef struct mnist_fast_blocking {
    size_t size;
    int threads; /* that a step keeps busy, of mnist_fast_threads */
    int rows;    /* images that pass through all layers together */
    int panels;  /* of 16 columns of the gradient, against which the rows of the weights are updated */
    int pixels;  /* of the first layer's weights, updated together */
    int forced;  /* 1: by MNIST_FAST_BLOCK */
} mnist_fast_blocking;

/* Fills *blocking, of which the caller knows `size` bytes. */
MNIST_FAST_API void mnist_fast_get_blocking(const mnist_fast *network, mnist_fast_blocking *blocking, size_t size);

/* zlib's crc32 over the weights in file order: two equal checksums are, in practice, the same model. */
MNIST_FAST_API uint32_t mnist_fast_weights_crc32(const mnist_fast *network);

/* ---- Training ---- */

typedef struct mnist_fast_metrics {
    double loss;     /* mean cross-entropy, natural logarithm */
    double accuracy; /* share of the images classified correctly, 0 to 1 */
} mnist_fast_metrics;

/* What the progress callback is told. It belongs to the library and may grow at the end. */
typedef struct mnist_fast_progress {
    int epoch, epochs;  /* epoch counts from 1 */
    int batch, batches; /* batch counts from 1; batch == batches once an epoch is complete and validated */
    int epoch_done;     /* 1 once an epoch is complete and validated: train and validation are then valid */
    double seconds;     /* of the part of this epoch that this call trained so far; at its end with the validation */
    mnist_fast_metrics train, validation; /* train: the mean over the epoch's batches, each before its update;
                                             validation: NaN when nothing is held out */
    double images_per_second;             /* training images of that part over its seconds */
    double learning_rate;                 /* of the last step */
    int best_epoch;                       /* as mnist_fast_best_epoch says */
    int finished;                         /* 1 once all epochs are done, or patience has ended them */
} mnist_fast_progress;

/* Called on the thread that called mnist_fast_train, after every batch and every epoch; return nonzero to stop. It may
 * read the network (the getters, weights_crc32) and save it or a checkpoint; what would change or use its working
 * memory (train, predict, evaluate, set_config) returns MNIST_FAST_BUSY, and mnist_fast_free must not be called. It
 * must return: no longjmp, no exception. Other networks may be used freely. */
typedef int mnist_fast_progress_callback(const mnist_fast_progress *progress, void *user);

/* Train on images with labels, 1 to MNIST_FAST_MAX_IMAGES of them, as the configuration says, until the network has
 * `epochs` epochs behind it in all, or patience ends it. Training goes on from where the network is, so a larger number
 * trains longer, and a stopped training ends in the same bytes as one that was never stopped. callback may be NULL;
 * user is passed to it.
 *
 * A number that is not finite ends it at once with MNIST_FAST_DIVERGED: a loss, or after a step a weight or moment. The
 * network can't be used any more then: what would train, save, evaluate or predict with it says so again. */
MNIST_FAST_API mnist_fast_status mnist_fast_train(mnist_fast *network, const mnist_fast_images *images, int epochs,
                                                  mnist_fast_progress_callback *callback, void *user,
                                                  mnist_fast_error *error);

/* One of the images as training sees it in an epoch, which counts from 0 here: deformed, where the configuration asks
 * for it, else as it is. pixels is written on success only. */
MNIST_FAST_API mnist_fast_status mnist_fast_deform(const mnist_fast *network, const mnist_fast_images *images,
                                                   size_t image, int epoch, uint8_t pixels[MNIST_FAST_PIXELS],
                                                   mnist_fast_error *error);

/* How many of `images` images are trained on and held out. fraction in [0, 1). */
MNIST_FAST_API void mnist_fast_split_counts(size_t images, double fraction, size_t *train, size_t *validation);

/* Where the time of training goes. */
typedef struct mnist_fast_phase {
    const char *name; /* lives for ever */
    double seconds;   /* summed over the threads */
    double flop;      /* dense-equivalent: as if no zero were skipped; 0 where there are no products */
} mnist_fast_phase;

/* Switches the timing of phases on (with all sums at 0) or off. Off at first. */
MNIST_FAST_API void mnist_fast_set_profiling(mnist_fast *network, int on);

/* Writes up to `count` phases of what was trained while timing was on; returns how many there are. phases may be NULL
 * when count is 0. */
MNIST_FAST_API size_t mnist_fast_get_profile(const mnist_fast *network, mnist_fast_phase *phases, size_t count);

/* ---- Using it ---- */

/* Classify images->count images, 0 or more. digits: count bytes, or NULL; probabilities: count * 10 floats, row-major,
 * or NULL. MNIST_FAST_DIVERGED: a probability is not finite; digits and probabilities then mean nothing. */
MNIST_FAST_API mnist_fast_status mnist_fast_predict(mnist_fast *network, const mnist_fast_images *images,
                                                    uint8_t *digits, float *probabilities, mnist_fast_error *error);

/* A picture of one digit. Grey levels, rows from the top: 0 = black, 255 = white, as a camera sees paper. */
typedef struct mnist_fast_picture {
    const uint8_t *grey;
    int width, height; /* 1 to 65535 */
    size_t stride;     /* bytes from one row to the next, at least width */
} mnist_fast_picture;

typedef enum mnist_fast_invert {
    MNIST_FAST_INVERT_AUTO, /* dark ink when the border is light, light ink when it is dark */
    MNIST_FAST_INVERT_YES,  /* dark ink on a light ground, which MNIST has the other way round */
    MNIST_FAST_INVERT_NO    /* light ink on a dark ground */
} mnist_fast_invert;

/* Makes of a picture the 28 x 28 pixels that a network reads, as MNIST was made: finds the digit, removes the
 * background, scales the longer side of the ink to 20 pixels, and moves its centre of mass to the middle, where 0 is
 * background and 255 is ink. The picture should show one digit and nothing else; light that changes over the picture is
 * evened out, and a pen too thin for MNIST is thickened.
 *
 * A 28 x 28 picture with light ink is taken as it is. raw demands that size and takes any such picture as it is (with
 * MNIST_FAST_INVERT_YES: inverted).
 *
 * MNIST_FAST_BAD_DATA: no ink was found, or raw and not 28 x 28. pixels is written on success only. The same picture
 * gives the same bytes on every machine: integer arithmetic only. Takes about 230 KB of memory meanwhile. */
MNIST_FAST_API mnist_fast_status mnist_fast_prepare_picture(const mnist_fast_picture *picture, mnist_fast_invert invert,
                                                            int raw, uint8_t pixels[MNIST_FAST_PIXELS],
                                                            mnist_fast_error *error);

/* Loss and accuracy over 1 to MNIST_FAST_MAX_IMAGES labelled images. confusion may be NULL; else
 * confusion[true][predicted] counts. MNIST_FAST_DIVERGED: the loss is not finite. */
MNIST_FAST_API mnist_fast_status mnist_fast_evaluate(mnist_fast *network, const mnist_fast_images *images,
                                                     mnist_fast_metrics *metrics,
                                                     uint32_t confusion[MNIST_FAST_CLASSES][MNIST_FAST_CLASSES],
                                                     mnist_fast_error *error);

/* ---- Files ----
 *
 * Models and checkpoints are safetensors files. They are written to a temporary file beside path, synced, then renamed:
 * the old file or the new one is there at any instant. The same network gives the same bytes. A file over the limit of
 * file sizes is an error where SIGXFSZ is ignored; otherwise that signal ends the process. */

/* Read a network from a model, a checkpoint, or a safetensors file of another program: float32 tensors NAME.weight
 * (out, in) and NAME.bias (out) of linear layers, as PyTorch names and shapes them, and no other tensors. Numbers in
 * the names give the order of the layers: 0, 2, 4 or fc1, fc2, fc3; the first (784 inputs) and the last (10 outputs)
 * may have names of any kind. *network is NULL on failure. */
MNIST_FAST_API mnist_fast_status mnist_fast_load(const char *path, const mnist_fast_runtime *runtime,
                                                 mnist_fast **network, mnist_fast_error *error);

/* Write the weights, the configuration and the complete epochs. */
MNIST_FAST_API mnist_fast_status mnist_fast_save(const mnist_fast *network, const char *path, mnist_fast_error *error);

/* Write all that mnist_fast_train needs to go on: Adam's moments and the position too. data_crc32 names the training
 * images, for the reader to compare (mnist_fast_images_crc32). */
MNIST_FAST_API mnist_fast_status mnist_fast_save_checkpoint(const mnist_fast *network, const char *path,
                                                            uint32_t data_crc32, mnist_fast_error *error);

/* Read what mnist_fast_save_checkpoint wrote; a model is refused. data_crc32 may be NULL. */
MNIST_FAST_API mnist_fast_status mnist_fast_load_checkpoint(const char *path, const mnist_fast_runtime *runtime,
                                                            mnist_fast **network, uint32_t *data_crc32,
                                                            mnist_fast_error *error);

/* Write a file of any other kind in the same way: size bytes, for reports and exports. */
MNIST_FAST_API mnist_fast_status mnist_fast_write_file(const char *path, const void *bytes, size_t size,
                                                       mnist_fast_error *error);

/* Whether path could be written by the functions above, to be asked before a long training. Leaves nothing behind. */
MNIST_FAST_API mnist_fast_status mnist_fast_check_writable(const char *path, mnist_fast_error *error);

#ifdef __cplusplus
}
#endif
#endif
