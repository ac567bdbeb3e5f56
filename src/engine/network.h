/* The network: its layers and parameters. */
#ifndef MF_NETWORK_H
#define MF_NETWORK_H

#include "kernels.h"
#include "mnist_fast.h"
#include "profile.h"
#include "runtime.h"

enum { MF_MAX_LAYERS = MNIST_FAST_MAX_HIDDEN + 1 };

/* Parameters live packed in 16-column panels for their whole life; nothing is ever packed for a product. */
struct mf_layer {
    int in, out;
    int bias_row;             /* in, rounded up to mf_unit: the bias is one more row of w, m and v */
    int panels;               /* of out */
    struct mf_matrix w, m, v; /* (in, out): weights, Adam's first and second moments */
    struct mf_matrix copy;    /* (in, out): in bf16 w, rounded; in fp32 not there */
    struct mf_matrix wt;   /* (out, in): what the products read, w or copy, transposed, as training needs it; not there
                              for the first layer */
    struct mf_matrix best; /* (in, out): w of the best epoch, or, while that is in use, of the last: see best.h */
};

/* Where training is, with the sums of the epoch that is under way. */
struct mf_position {
    int epoch;     /* complete epochs */
    int batch;     /* batches done of the epoch that is under way */
    uint64_t step; /* Adam steps in all */
    double loss;
    uint64_t correct;
};

struct mf_workspace;

/* The public handle. */
struct mnist_fast {
    const struct mf_kernels *kernels;
    int threads; /* at most */
    struct mf_cpu cpu;
    struct mf_blocking forced; /* by the environment; 0: by the rule */
    struct mf_blocking blocking;
    mnist_fast_config config;
    int layers;
    struct mf_layer layer[MF_MAX_LAYERS];
    struct mf_position position;
    bool moments;                   /* false for a network that was read without Adam's moments */
    float *parameters;              /* one block of memory for every matrix above but best */
    size_t parameters_size;         /* floats */
    struct mf_workspace *workspace; /* NULL, or what workspace.h made for the largest batch so far */
    struct {
        float *memory; /* NULL until patience needs it */
        int epoch;     /* 0: there is no best epoch */
        double loss;   /* of its validation */
        bool used;     /* w is that of the best epoch, and best is what training goes on from */
    } best;
    struct mf_profile profile; /* of the trainings while profiling was on */
    bool profiling;
    bool training; /* its callback may not use the workspace */
    bool diverged; /* a weight or moment may not be finite */
    /* To measure and to test; the bits are the same: */
    bool dense;       /* never skip zeros */
    bool all_threads; /* however little work there is */
};

/* Takes the memory for the layers that config names; every parameter is zero. config has been checked. */
mnist_fast_status mf_network_create(const mnist_fast_config *config, const struct mf_runtime *runtime,
                                    mnist_fast **network, mnist_fast_error *error);
void mf_network_initialise(mnist_fast *network);       /* Glorot uniform from config.seed, zero biases */
void mf_layer_refresh(mnist_fast *network, int layer); /* copy and wt from w */
struct mf_matrix mf_layer_operand(const mnist_fast *network, int layer); /* of the products: w, or in bf16 copy */

/* Whether the kernels have lists to skip zeros with, and may. */
static inline bool mf_skips(const mnist_fast *network)
{
    return !network->dense && !network->kernels->tiled;
}

/* MNIST_FAST_DIVERGED, and its message, for a network whose training has diverged. */
mnist_fast_status mf_check_diverged(const mnist_fast *network, mnist_fast_error *error);

/* The blocking for a step of training on so many images, or for their evaluation. */
struct mf_blocking mf_network_blocking(const mnist_fast *network, size_t images, bool training);

/* Tensors in file order: 0.weight (out, in), 0.bias (out), 2.weight, ... as PyTorch's nn.Sequential names them. */
struct mf_tensor {
    char name[24];
    int rows, columns; /* columns is 0 for a bias */
};
enum mf_tensor_kind {
    MF_WEIGHT, /* that training goes on from */
    MF_MOMENT1,
    MF_MOMENT2,
    MF_BEST, /* the weight of the best epoch */
    MF_TENSOR_KINDS
};
enum mf_tensor_kind mf_users_weights(const mnist_fast *network); /* MF_BEST where there is one, else MF_WEIGHT */
struct mf_matrix mf_layer_matrix(const mnist_fast *network, int layer, enum mf_tensor_kind kind);
int mf_tensor_count(const mnist_fast *network); /* 2 * layers */
struct mf_tensor mf_tensor_describe(const mnist_fast *network, int tensor);
size_t mf_tensor_size(const mnist_fast *network, int tensor);                                       /* elements */
void mf_tensor_get(const mnist_fast *network, int tensor, enum mf_tensor_kind kind, float *values); /* row-major */
void mf_tensor_set(mnist_fast *network, int tensor, enum mf_tensor_kind kind, const float *values); /* row-major */

#endif
