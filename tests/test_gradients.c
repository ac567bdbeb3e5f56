/* The arithmetic of a whole step: gradients against central differences, and ten steps against PyTorch's. */
#include "networks.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double eps = 0x1p-24; /* half a unit in the last place of a float */

/* The error of a chain of k roundings, over the sum of its magnitudes: the worst-case bound, or what independent
 * roundings stay below (see tests/golden/trace.py), whichever is less. */
static double rounding(int k)
{
    return eps * fmin(k + 1, 4 * sqrt(k));
}

/* ---- gradients ---- */

enum { LAYERS_MAX = 4, UNITS_MAX = 32, BATCH_MAX = 8 };

/* As mf_tensor_get gives them: weights (out, in), then biases, layer by layer. */
struct parameters {
    double tensor[2 * LAYERS_MAX][MF_INPUTS * UNITS_MAX];
};

/* A copy of the network in double precision, plain. */
struct model {
    int layers, size[LAYERS_MAX + 1];
    struct parameters at;
    int samples;
    double x[BATCH_MAX][MF_INPUTS];
    int label[BATCH_MAX];
    double z[LAYERS_MAX][BATCH_MAX][UNITS_MAX];
};

static int size_of(const struct model *model, int tensor)
{
    return model->size[tensor / 2 + 1] * (tensor % 2 ? 1 : model->size[tensor / 2]);
}

static const double *input_of(const struct model *model, int layer, int sample, double *relu)
{
    if (layer == 0)
        return model->x[sample];
    for (int j = 0; j < model->size[layer]; j++)
        relu[j] = fmax(model->z[layer - 1][sample][j], 0);
    return relu;
}

static double loss_of(struct model *model)
{
    double loss = 0, relu[UNITS_MAX];
    for (int i = 0; i < model->samples; i++) {
        for (int l = 0; l < model->layers; l++) {
            const int in = model->size[l];
            const double *x = input_of(model, l, i, relu), *w = model->at.tensor[2 * l];
            for (int j = 0; j < model->size[l + 1]; j++) {
                double sum = model->at.tensor[2 * l + 1][j];
                for (int k = 0; k < in; k++)
                    sum += w[j * in + k] * x[k];
                model->z[l][i][j] = sum;
            }
        }
        const double *logit = model->z[model->layers - 1][i];
        double sum = 0;
        for (int c = 0; c < MF_CLASSES; c++)
            sum += exp(logit[c]);
        loss += log(sum) - logit[model->label[i]];
    }
    return loss / model->samples;
}

/* The derivative of the loss to one parameter, by differences of fourth order at the distance H: the error of the
 * method (H^4 / 30 of a fifth derivative) and of the arithmetic (2^-53 / H of the loss) are both below 1e-11. */
#define H 0x1p-12
static double difference(struct model *model, double *parameter)
{
    const double here = *parameter;
    double at[5];
    for (int i = -2; i <= 2; i++) {
        *parameter = here + i * H;
        at[i + 2] = loss_of(model);
    }
    *parameter = here;
    return (8 * (at[3] - at[1]) - (at[4] - at[0])) / (12 * H);
}

/* How far a gradient in single precision may be from the true one: a running error analysis, to the first order.
 * A chain of fused multiply-adds is off by rounding() of the sum of its magnitudes; what arrives with an error passes
 * it on through the magnitudes of what it is multiplied by. Returns the distance of the closest pre-activation from the
 * kink of the ReLU, less its own error: negative where the mask is not certain. */
static double bounds(struct model *model, struct parameters *bound)
{
    static double h_off[LAYERS_MAX + 1][MF_INPUTS]; /* of the input of a layer */
    double from_kink = INFINITY;
    const int last = model->layers - 1;
    memset(bound, 0, sizeof *bound);
    loss_of(model);
    for (int i = 0; i < model->samples; i++) {
        double relu[UNITS_MAX], z_off[UNITS_MAX] = {0}, dz[UNITS_MAX], dz_off[UNITS_MAX];
        for (int k = 0; k < MF_INPUTS; k++)
            h_off[0][k] = eps * model->x[i][k]; /* the division by 255 */
        for (int l = 0; l <= last; l++) {
            const int in = model->size[l];
            const double *x = input_of(model, l, i, relu), *w = model->at.tensor[2 * l];
            for (int j = 0; j < model->size[l + 1]; j++) {
                double size = fabs(model->at.tensor[2 * l + 1][j]), off = 0;
                for (int k = 0; k < in; k++) {
                    size += fabs(w[j * in + k]) * x[k];
                    off += fabs(w[j * in + k]) * h_off[l][k];
                }
                z_off[j] = off + rounding(in) * size;
                if (l < last) {
                    h_off[l + 1][j] = z_off[j];
                    from_kink = fmin(from_kink, fabs(model->z[l][i][j]) - z_off[j]);
                }
            }
        }

        /* p = exp(z - largest) / sum: the rounding of the argument, an exponential good to two units, a sum of ten and
         * a division; dz = (p - target) / samples */
        const double *logit = model->z[last][i];
        double largest = logit[0], sum = 0, mean_off = 0;
        for (int c = 1; c < MF_CLASSES; c++)
            largest = fmax(largest, logit[c]);
        for (int c = 0; c < MF_CLASSES; c++)
            sum += exp(logit[c] - largest);
        for (int c = 0; c < MF_CLASSES; c++)
            mean_off += exp(logit[c] - largest) / sum * (z_off[c] + eps * (largest - logit[c]));
        for (int c = 0; c < MF_CLASSES; c++) {
            const double p = exp(logit[c] - largest) / sum;
            dz[c] = (p - (c == model->label[i])) / model->samples;
            dz_off[c] = p / model->samples * (z_off[c] + eps * (largest - logit[c]) + mean_off + 16 * eps) +
                        3 * eps * fabs(dz[c]);
        }

        for (int l = last; l >= 0; l--) {
            const int in = model->size[l], out = model->size[l + 1];
            const double *x = input_of(model, l, i, relu), *w = model->at.tensor[2 * l];
            for (int j = 0; j < out; j++) {
                for (int k = 0; k < in; k++)
                    bound->tensor[2 * l][j * in + k] +=
                        x[k] * dz_off[j] + h_off[l][k] * fabs(dz[j]) + rounding(model->samples) * x[k] * fabs(dz[j]);
                bound->tensor[2 * l + 1][j] += dz_off[j] + rounding(model->samples) * fabs(dz[j]);
            }
            if (l == 0)
                break;
            double dh[UNITS_MAX], dh_off[UNITS_MAX];
            for (int k = 0; k < in; k++) {
                dh[k] = dh_off[k] = 0;
                if (x[k] <= 0)
                    continue;
                for (int j = 0; j < out; j++) {
                    dh[k] += w[j * in + k] * dz[j];
                    dh_off[k] += fabs(w[j * in + k]) * (dz_off[j] + rounding(out) * fabs(dz[j]));
                }
            }
            memcpy(dz, dh, in * sizeof *dz);
            memcpy(dz_off, dh_off, in * sizeof *dz);
        }
    }
    return from_kink;
}

static void model_of(const mnist_fast *network, const mnist_fast_images *images, struct model *model)
{
    model->layers = network->layers;
    model->samples = (int)images->count;
    for (int i = 0; i < model->samples; i++) {
        model->label[i] = images->labels[i];
        for (int k = 0; k < MF_INPUTS; k++)
            model->x[i][k] = images->pixels[i * MF_INPUTS + k] / 255.0;
    }
    model->size[0] = MF_INPUTS;
    for (int t = 0; t < mf_tensor_count(network); t++) {
        model->size[t / 2 + 1] = network->layer[t / 2].out;
        float *values = tensor_new(network, t, MF_WEIGHT);
        for (size_t i = 0; i < mf_tensor_size(network, t); i++)
            model->at.tensor[t][i] = (double)values[i];
        free(values);
    }
}

/* Of the parameters that are compared. Most are weights of the first layer: a seventh of them has every residue that a
 * tile or panel could treat differently. */
static int stride_of(int tensor)
{
    return support_short ? 23 : tensor == 0 ? 7 : 1;
}

/* With beta1 = 0 the first moment after a step is the gradient, to the bit: m = 0 * m + 1 * g. */
START_TEST(gradients)
{
    static const struct {
        int batch, layers, hidden[LAYERS_MAX - 1];
    } shapes[] = {{3, 1, {17}}, {6, 2, {5, 4}}, {8, 3, {6, 19, 7}}, {1, 2, {16, 32}}};
    const int batch = shapes[_i].batch;
    /* a batch that the images do not fill: the mean is over those that are there */
    mnist_fast_config config = config_of(_i % 2 ? batch : 3 * batch, 0, shapes[_i].layers, shapes[_i].hidden);
    config.beta1 = 0;
    config.seed = support_seed + (uint64_t)_i;
    struct random random = random_from(500, (uint64_t)_i, 0, 0);
    mnist_fast_images images = images_new(&random, batch);

    /* The first seed with which no ReLU gets to its kink while a parameter is moved. */
    static struct model model;
    static struct parameters bound, truth;
    do {
        config.seed++;
        mnist_fast *network = network_new(&config, support_isas[0], 1, false);
        model_of(network, &images, &model);
        mnist_fast_free(network);
    } while (bounds(&model, &bound) < 4 * H);
    for (int t = 0; t < 2 * model.layers; t++)
        for (int i = 0; i < size_of(&model, t); i += stride_of(t))
            truth.tensor[t][i] = difference(&model, &model.at.tensor[t][i]);

    double worst = 0;
    for (int isa = 0; isa < support_isa_count; isa++)
        for (int dense = 0; dense < 2; dense++) {
            support_case("gradients of shape %d, %s, %s", _i, support_isas[isa]->name, dense ? "dense" : "sparse");
            mnist_fast *network = network_new(&config, support_isas[isa], 1 + 2 * dense, dense);
            train(network, &images, 1, NULL, NULL);
            for (int t = 0; t < mf_tensor_count(network); t++) {
                float *gradient = tensor_new(network, t, MF_MOMENT1);
                for (int i = 0; i < size_of(&model, t); i += stride_of(t)) {
                    /* 1.01: what is of the second order; 1e-11: the differences themselves */
                    const double expected = truth.tensor[t][i], off = fabs((double)gradient[i] - expected);
                    const double allowed = 1.01 * bound.tensor[t][i] + 1e-11;
                    if (!(off <= allowed))
                        support_fail("tensor %d, element %d: %.9g, expected %.9g, off by %.3g, allowed %.3g", t, i,
                                     (double)gradient[i], expected, off, allowed);
                    worst = fmax(worst, off / allowed);
                }
                free(gradient);
            }
            mnist_fast_free(network);
        }
    printf("gradients of shape %d: at most %.2g of what is allowed\n", _i, worst);

    mnist_fast_free_images(&images);
}
END_TEST

/* ---- the golden trace of tests/golden/trace.py ---- */

enum { TRACE_BATCH = 8, TRACE_STEPS = 10, TRACE_IMAGES = TRACE_BATCH * TRACE_STEPS };

static uint32_t scramble(uint32_t a, uint32_t b)
{
    uint32_t h = a * 0x9E3779B1u + b * 0x85EBCA77u;
    h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
    return h ^ (h >> 13);
}

struct losses {
    const mnist_fast *network;
    double sum, of_step[TRACE_STEPS];
    int count;
};

/* Sums over the epoch become losses of steps. */
static int note_loss(const mnist_fast_progress *progress, void *user)
{
    struct losses *losses = user;
    const double sum = progress->epoch_done ? progress->train.loss * TRACE_IMAGES : losses->network->position.loss;
    if (losses->count < TRACE_STEPS)
        losses->of_step[losses->count] = (sum - losses->sum) / TRACE_BATCH;
    losses->count++;
    losses->sum = sum;
    return 0;
}

START_TEST(trace)
{
    static const int hidden[] = {12, 9};
    static const char path[] = "tests/golden/trace";
    const struct mf_kernels *kernels = support_isas[_i];
    mnist_fast_config config = config_of(TRACE_BATCH, 0, 2, hidden);
    config.shuffle_buffer = 1; /* the images in the order in which they stand */
    struct random random = random_from(501, 0, 0, 0);
    mnist_fast_images images = images_new(&random, TRACE_IMAGES);
    for (uint32_t i = 0; i < TRACE_IMAGES; i++) {
        for (uint32_t k = 0; k < MF_INPUTS; k++) {
            const uint32_t h = scramble(i, k);
            ((uint8_t *)images.pixels)[i * MF_INPUTS + k] = (h & 255) < 80 ? (uint8_t)(h >> 24) : 0;
        }
        ((uint8_t *)images.labels)[i] = (uint8_t)((7 * i + 3) % 10);
    }

    for (int threads = 1; threads <= 4; threads += 3) {
        support_case("trace, %s, %d threads", kernels->name, threads);
        mnist_fast *network = network_new(&config, kernels, threads, threads == 4);
        float *tensor[6];
        for (int t = 0; t < mf_tensor_count(network); t++) {
            tensor[t] = tensor_new(network, t, MF_WEIGHT);
            for (size_t i = 0; i < mf_tensor_size(network, t); i++)
                tensor[t][i] = (float)((int32_t)(scramble(1000 + (uint32_t)t, (uint32_t)i) >> 8) - (1 << 23)) *
                               (t < 2 ? 0x1p-26f : 0x1p-24f);
            mf_tensor_set(network, t, MF_WEIGHT, tensor[t]);
        }
        struct losses losses = {.network = network};
        train(network, &images, 1, note_loss, &losses);
        if (losses.count != TRACE_STEPS)
            support_fail("%d steps, expected %d", losses.count, TRACE_STEPS);
        for (int t = 0; t < mf_tensor_count(network); t++)
            mf_tensor_get(network, t, MF_WEIGHT, tensor[t]);

        FILE *file = fopen(path, "r");
        if (!file)
            support_fail("%s: %s; tests run from the root of the tree", path, strerror(errno));
        char line[256], name[24];
        int lines = 0, index;
        double expected, allowed, worst = 0;
        while (fgets(line, sizeof line, file)) {
            if (line[0] == '#')
                continue;
            if (sscanf(line, "%23s %d %lf %lf", name, &index, &expected, &allowed) != 4)
                support_fail("%s: not a name, an index and two numbers: %s", path, line);
            double found = NAN;
            if (!strcmp(name, "loss") && index >= 0 && index < TRACE_STEPS)
                found = losses.of_step[index];
            for (int t = 0; t < mf_tensor_count(network); t++)
                if (!strcmp(name, mf_tensor_describe(network, t).name) && (size_t)index < mf_tensor_size(network, t))
                    found = (double)tensor[t][index];
            if (!(fabs(found - expected) <= allowed))
                support_fail("%s %d: %.9g, PyTorch has %.9g; off by %.3g, allowed %.3g", name, index, found, expected,
                             fabs(found - expected), allowed);
            worst = fmax(worst, fabs(found - expected) / allowed);
            lines++;
        }
        fclose(file);
        if (lines < 400)
            support_fail("%s: %d lines, expected hundreds", path, lines);
        printf("trace, %s: %d numbers, at most %.2g of what is allowed\n", kernels->name, lines, worst);
        for (int t = 0; t < mf_tensor_count(network); t++)
            free(tensor[t]);
        mnist_fast_free(network);
    }
    mnist_fast_free_images(&images);
}
END_TEST

int main(void)
{
    support_begin();
    support_announce_isas();
    Suite *suite = suite_create("gradients");
    TCase *tcase = tcase_create("gradients");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, gradients, 0, 4);
    tcase_add_loop_test(tcase, trace, 0, support_isa_count);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
