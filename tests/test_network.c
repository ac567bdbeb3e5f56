/* The network as a whole: its gradients against central differences, ten steps against PyTorch's, and one model for
 * every instruction set, team of threads, interruption and floating-point environment. */
#include "engine/model_file.h"
#include "engine/network.h"
#include "support.h"

#include <errno.h>
#include <fenv.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

static const double eps = 0x1p-24; /* half a unit in the last place of a float */

/* What a chain of k roundings is off by, over the sum of its magnitudes: the sure bound, or what independent roundings
 * stay below (see tests/golden/trace.py), whichever is less. */
static double rounding(int k)
{
    return eps * fmin(k + 1, 4 * sqrt(k));
}

/* ---- networks and images to try ---- */

static mnist_fast *network_new(const mnist_fast_config *config, const struct mf_kernels *kernels, int threads,
                               bool dense)
{
    const mnist_fast_runtime machine = {.isa = kernels->name, .threads = threads};
    mnist_fast *network;
    mnist_fast_error error;
    if (mnist_fast_create(config, &machine, &network, &error))
        support_fail("%s", error.text);
    network->dense = dense;
    return network;
}

static mnist_fast_config config_of(int batch, double validation, int layers, const int *hidden)
{
    mnist_fast_config config;
    mnist_fast_default_config(&config);
    memset(config.hidden, 0, sizeof config.hidden);
    memcpy(config.hidden, hidden, (size_t)layers * sizeof *hidden);
    config.hidden_count = layers;
    config.batch_size = batch;
    config.validation_fraction = validation;
    return config;
}

/* A fifth of the pixels has ink. */
static mnist_fast_images images_new(struct random *random, int count)
{
    uint8_t *pixels = calloc(count, MF_INPUTS), *labels = calloc(count, 1);
    if (!pixels || !labels)
        support_fail("no memory for %d images", count);
    for (int i = 0; i < count * MF_INPUTS; i++)
        if (random_below(random, 5) == 0)
            pixels[i] = (uint8_t)random_below(random, 256);
    for (int i = 0; i < count; i++)
        labels[i] = (uint8_t)random_below(random, MF_CLASSES);
    return (mnist_fast_images){.pixels = pixels, .labels = labels, .count = count};
}

static void images_free(mnist_fast_images *images)
{
    free((void *)images->pixels);
    free((void *)images->labels);
}

static void train(mnist_fast *network, const mnist_fast_images *images, int epochs,
                  mnist_fast_progress_callback *report, void *user)
{
    mnist_fast_error error;
    if (mnist_fast_train(network, images, epochs, report, user, &error))
        support_fail("%s", error.text);
}

static float *tensor_new(const mnist_fast *network, int tensor, enum mf_tensor_kind kind)
{
    float *values = malloc(mf_tensor_size(network, tensor) * sizeof *values);
    if (!values)
        support_fail("no memory for a tensor");
    mf_tensor_get(network, tensor, kind, values);
    return values;
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
    const int stride = support_short ? 23 : 1; /* of the parameters that are compared */
    for (int t = 0; t < 2 * model.layers; t++)
        for (int i = 0; i < size_of(&model, t); i += stride)
            truth.tensor[t][i] = difference(&model, &model.at.tensor[t][i]);

    double worst = 0;
    for (int isa = 0; isa < support_isa_count; isa++)
        for (int dense = 0; dense < 2; dense++) {
            support_case("gradients of shape %d, %s, %s", _i, support_isas[isa]->name, dense ? "dense" : "lists");
            mnist_fast *network = network_new(&config, support_isas[isa], 1 + 2 * dense, dense);
            train(network, &images, 1, NULL, NULL);
            for (int t = 0; t < mf_tensor_count(network); t++) {
                float *gradient = tensor_new(network, t, MF_MOMENT1);
                for (int i = 0; i < size_of(&model, t); i += stride) {
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

    images_free(&images);
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
    images_free(&images);
}
END_TEST

/* ---- one seed, one model ---- */

/* All that a training leaves behind. */
struct result {
    float *values;
    size_t count;
    double metrics[4]; /* of the last epoch, training and validation */
};

static int note_metrics(const mnist_fast_progress *progress, void *user)
{
    struct result *result = user;
    if (progress->epoch_done) {
        const double metrics[] = {progress->train.loss, progress->train.accuracy, progress->validation.loss,
                                  progress->validation.accuracy};
        memcpy(result->metrics, metrics, sizeof metrics);
    }
    return 0;
}

static void collect(const mnist_fast *network, struct result *result)
{
    result->count = 3 * mnist_fast_parameter_count(network);
    result->values = malloc(result->count * sizeof(float));
    if (!result->values)
        support_fail("no memory for a result");
    float *next = result->values;
    for (int kind = MF_WEIGHT; kind <= MF_MOMENT2; kind++)
        for (int t = 0; t < mf_tensor_count(network); t++) {
            mf_tensor_get(network, t, (enum mf_tensor_kind)kind, next);
            next += mf_tensor_size(network, t);
        }
}

/* Fails unless got is expected, bit for bit; frees got. */
static void expect_result(const struct result *expected, struct result *got)
{
    if (got->count != expected->count)
        support_fail("%zu numbers, expected %zu", got->count, expected->count);
    for (size_t i = 0; i < got->count; i++)
        if (memcmp(got->values + i, expected->values + i, sizeof(float)))
            support_fail("%s %zu is %a, expected %a",
                         i < got->count / 3       ? "weight"
                         : i < got->count / 3 * 2 ? "first moment"
                                                  : "second moment",
                         i % (got->count / 3), (double)got->values[i], (double)expected->values[i]);
    for (int i = 0; i < 4; i++)
        if (memcmp(got->metrics + i, expected->metrics + i, sizeof(double)))
            support_fail("metric %d is %a, expected %a", i, got->metrics[i], expected->metrics[i]);
    free(got->values);
    got->values = NULL;
}

enum { EPOCHS = 3, BATCHES = 5, RESULT_IMAGES = 90 }; /* 81 to train on, the last batch is a single image */
static const int result_hidden[] = {20, 35};

static struct result trained(const mnist_fast_images *images, const struct mf_kernels *kernels, int threads, bool dense)
{
    const mnist_fast_config config = config_of(20, 0.1, 2, result_hidden);
    struct result result = {0};
    mnist_fast *network = network_new(&config, kernels, threads, dense);
    train(network, images, EPOCHS, note_metrics, &result);
    collect(network, &result);
    mnist_fast_free(network);
    return result;
}

/* More threads than rows, than units of work, than processors; a runtime that may give fewer than were asked for. */
START_TEST(teams)
{
    static const int threads[] = {1, 2, 3, 5, 16, 64, 200};
    const size_t sizes = sizeof threads / sizeof *threads - (support_short ? 2 : 0);
    struct random random = random_from(502, 0, 0, 0);
    mnist_fast_images images = images_new(&random, RESULT_IMAGES);
    struct result expected = trained(&images, support_isas[support_isa_count - 1], 1, true);
    omp_set_dynamic(_i % 2);
    for (int isa = 0; isa < support_isa_count; isa++)
        for (size_t i = 0; i < sizes; i++)
            for (int dense = 0; dense < 2; dense++) {
                support_case("%s, %d threads, %s%s", support_isas[isa]->name, threads[i], dense ? "dense" : "lists",
                             _i ? ", OMP_DYNAMIC" : "");
                struct result got = trained(&images, support_isas[isa], threads[i], dense);
                expect_result(&expected, &got);
            }
    free(expected.values);
    images_free(&images);
}
END_TEST

struct stop {
    int calls, at;
};

static int stop_at(const mnist_fast_progress *progress, void *user)
{
    (void)progress;
    struct stop *stop = user;
    return ++stop->calls == stop->at;
}

/* Stopped after any batch or epoch, saved, and gone on with by other kernels and another team. */
START_TEST(resume)
{
    struct random random = random_from(503, 0, 0, 0);
    mnist_fast_images images = images_new(&random, RESULT_IMAGES);
    struct result expected = trained(&images, support_isas[0], 2, false);
    const mnist_fast_config config = config_of(20, 0.1, 2, result_hidden);
    char path[] = "/tmp/mnist_fast_network_XXXXXX";
    const int file = mkstemp(path);
    if (file < 0)
        support_fail("%s: %s", path, strerror(errno));
    close(file);

    for (int at = 1; at < EPOCHS * BATCHES; at++) {
        const struct mf_kernels *before = support_isas[at % support_isa_count];
        const struct mf_kernels *after = support_isas[(at + 1) % support_isa_count];
        support_case("stopped at batch %d of %d, %s, gone on with %s", at, EPOCHS * BATCHES, before->name, after->name);
        mnist_fast *network = network_new(&config, before, 1 + at % 4, at % 3 == 0);
        struct stop stop = {.at = at};
        mnist_fast_error error;
        if (mnist_fast_train(network, &images, EPOCHS, stop_at, &stop, &error) != MNIST_FAST_STOPPED)
            support_fail("the training was not stopped");
        const struct mf_position position = network->position;
        if (position.epoch * BATCHES + position.batch != at || position.step != (uint64_t)at)
            support_fail("it stands at epoch %d, batch %d", position.epoch, position.batch);
        const struct mf_checkpoint checkpoint = {.data_crc32 = 7};
        if (mf_model_write(network, path, &checkpoint, &error))
            support_fail("%s", error.text);
        mnist_fast_free(network);

        const mnist_fast_runtime machine = {.isa = after->name, .threads = 1 + (at + 2) % 5};
        struct mf_checkpoint found;
        if (mf_model_read(path, &machine, &found, &network, &error))
            support_fail("%s", error.text);
        network->dense = at % 2;
        struct result got = {0};
        train(network, &images, EPOCHS, note_metrics, &got);
        collect(network, &got);
        mnist_fast_free(network);
        expect_result(&expected, &got);
    }
    unlink(path);
    free(expected.values);
    images_free(&images);
}
END_TEST

/* ---- the floating-point environment ---- */

#if defined(__SSE__)
enum { CONTROL = 0xffc0, FLUSH = 0x8040 }; /* MXCSR: masks, rounding, FTZ, DAZ; the rest are flags */
static unsigned control_get(void)
{
    return _mm_getcsr() & CONTROL;
}
static void control_flush(void)
{
    _mm_setcsr(_mm_getcsr() | FLUSH);
}
#elif defined(__aarch64__)
static unsigned control_get(void)
{
    return (unsigned)__builtin_aarch64_get_fpcr();
}
static void control_flush(void)
{
    __builtin_aarch64_set_fpcr((unsigned)__builtin_aarch64_get_fpcr() | 1u << 24); /* FZ */
}
#else
static unsigned control_get(void)
{
    return (unsigned)fegetround();
}
static void control_flush(void)
{
}
#endif

/* A host program that has denormals flushed finds its setting again, and gets the same model: what the kernels do not
 * flush themselves are weights and activations, which do not get that small. */
START_TEST(environment)
{
    struct random random = random_from(504, 0, 0, 0);
    mnist_fast_images images = images_new(&random, RESULT_IMAGES);
    const struct mf_kernels *kernels = support_isas[_i];
    support_case("floating-point environment, %s", kernels->name);
    const unsigned usual = control_get();
    struct result expected = trained(&images, kernels, 1, false);
    if (control_get() != usual)
        support_fail("the control word is %x after training, was %x", control_get(), usual);
    control_flush();
    const unsigned flushing = control_get();
    for (int threads = 1; threads <= 3; threads++) {
        struct result got = trained(&images, kernels, threads, false);
        if (control_get() != flushing)
            support_fail("the control word is %x after training, was %x", control_get(), flushing);
        expect_result(&expected, &got);
    }
    free(expected.values);
    images_free(&images);
}
END_TEST

int main(void)
{
    support_begin();
    for (int i = 0; i < support_isa_count; i++)
        printf("ISA: %s\n", support_isas[i]->name);

    Suite *suite = suite_create("network");
    TCase *tcase = tcase_create("network");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, gradients, 0, 4);
    tcase_add_loop_test(tcase, trace, 0, support_isa_count);
    tcase_add_loop_test(tcase, teams, 0, 2);
    tcase_add_test(tcase, resume);
    tcase_add_loop_test(tcase, environment, 0, support_isa_count);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
