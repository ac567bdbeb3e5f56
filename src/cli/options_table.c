#include "options.h"

#include <limits.h>
#include <stddef.h>

enum {
    TRAIN = 1 << CLI_COMMAND_TRAIN,
    EVALUATE = 1 << CLI_COMMAND_EVALUATE,
    PREDICT = 1 << CLI_COMMAND_PREDICT,
    EXPORT = 1 << CLI_COMMAND_EXPORT,
    INFO = 1 << CLI_COMMAND_INFO,
    COMPUTING = TRAIN | EVALUATE | PREDICT | EXPORT | INFO,
    ALL = COMPUTING | 1 << CLI_COMMAND_SELFTEST
};

#define FIELD(name) offsetof(struct cli_options, name)

/* In the order of the enumerations of mnist_fast.h. */
static const char *const schedules[] = {"constant", "cosine", NULL}, *const inversions[] = {"auto", "yes", "no", NULL},
                         *const precisions[] = {"fp32", "bf16", NULL};
static const char *const recipes[] = {"none", "best", NULL};

/* Only a CLI_TYPE_CHOICE has choices. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
const struct cli_option cli_option_table[CLI_OPTIONS] = {
    [CLI_OPTION_THREADS] = {"threads", 't', CLI_TYPE_INT, "N", 0, MNIST_FAST_MAX_THREADS, COMPUTING, FIELD(threads),
                            "threads to compute with; 0: as many as make sense here"},
    [CLI_OPTION_ISA] = {"isa", 0, CLI_TYPE_TEXT, "NAME", 0, 0, COMPUTING, FIELD(isa),
                        "scalar, avx2, avx512, avx512bf16, amx or neon (default: the best)"},
    [CLI_OPTION_DATA] = {"data", 'd', CLI_TYPE_TEXT, "DIR", 0, 0, TRAIN | EVALUATE | PREDICT, FIELD(data),
                         "folder of the four MNIST files (default: where fetch puts them)"},
    [CLI_OPTION_MODEL] = {"model", 'm', CLI_TYPE_TEXTS, "FILE", 0, 0, EVALUATE | PREDICT | EXPORT, FIELD(models),
                          "model to use, as --save wrote it; evaluate averages several"},
    [CLI_OPTION_MISTAKES] = {"mistakes", 0, CLI_TYPE_INT, "N", 0, INT_MAX, EVALUATE, FIELD(mistakes),
                             "list the N worst mistakes: those with the highest loss"},
    [CLI_OPTION_CSV] = {"csv", 0, CLI_TYPE_FLAG, NULL, 0, 0, EVALUATE | PREDICT, FIELD(csv),
                        "print CSV: the results, or with --mistakes the list of them"},
    [CLI_OPTION_EPOCHS] = {"epochs", 'e', CLI_TYPE_INT, "N", 0, 1000000, TRAIN, FIELD(epochs),
                           "epochs to train, in all"},
    [CLI_OPTION_BATCH] = {"batch", 'b', CLI_TYPE_INT, "N", 1, MNIST_FAST_MAX_BATCH, TRAIN, FIELD(config.batch_size),
                          "images a step"},
    [CLI_OPTION_HIDDEN] = {"hidden", 0, CLI_TYPE_LAYERS, "N,N,...", 1, MNIST_FAST_MAX_UNITS, TRAIN,
                           FIELD(config.hidden), "units of each hidden layer"},
    [CLI_OPTION_LR] = {"lr", 0, CLI_TYPE_RATE, "X", 0, 0, TRAIN, FIELD(config.learning_rate), "learning rate of Adam"},
    [CLI_OPTION_SCHEDULE] = {"schedule", 0, CLI_TYPE_CHOICE, "NAME", 0, 0, TRAIN, FIELD(config.schedule),
                             "learning rate over time: constant, or cosine to zero", schedules},
    [CLI_OPTION_WARMUP] = {"warmup", 0, CLI_TYPE_INT, "N", 0, INT_MAX, TRAIN, FIELD(config.warmup_steps),
                           "steps over which the learning rate rises at first"},
    [CLI_OPTION_WEIGHT_DECAY] = {"weight-decay", 0, CLI_TYPE_DECAY, "X", 0, 0, TRAIN, FIELD(config.weight_decay),
                                 "decay of the weights, as in AdamW; not of biases"},
    [CLI_OPTION_PRECISION] = {"precision", 0, CLI_TYPE_CHOICE, "NAME", 0, 0, TRAIN | INFO, FIELD(config.precision),
                              "of the products: fp32, or bf16, which AMX computes", precisions},
    [CLI_OPTION_AUGMENT] = {"augment", 0, CLI_TYPE_AUGMENT, "NAME=X,...", 0, 0, TRAIN, FIELD(config.rotation),
                            "deform the training images: rotation, shear, scale, shift, elastic"},
    [CLI_OPTION_AUGMENT_PREVIEW] = {"augment-preview", 0, CLI_TYPE_TEXT, "FILE", 0, 0, TRAIN, FIELD(augment_preview),
                                    "write a picture of deformed images, as .png"},
    [CLI_OPTION_RECIPE] = {"recipe", 0, CLI_TYPE_CHOICE, "NAME", 0, 0, TRAIN, FIELD(recipe),
                           "none, or best: the options of docs/accuracy.md", recipes},
    [CLI_OPTION_SEED] = {"seed", 's', CLI_TYPE_SEED, "N", 0, 0, TRAIN, FIELD(config.seed),
                         "seed of all random numbers: one seed, one model"},
    [CLI_OPTION_VALIDATION] = {"validation", 0, CLI_TYPE_SHARE, "X", 0, 0, TRAIN, FIELD(config.validation_fraction),
                               "share of the training images to hold out"},
    [CLI_OPTION_PATIENCE] = {"patience", 0, CLI_TYPE_INT, "N", 0, 1000000, TRAIN, FIELD(config.patience),
                             "keep the best epoch, and stop N epochs after it; 0: off"},
    [CLI_OPTION_SHUFFLE_BUFFER] = {"shuffle-buffer", 0, CLI_TYPE_INT, "N", 1, INT_MAX, TRAIN,
                                   FIELD(config.shuffle_buffer), "images that the shuffle buffer holds"},
    [CLI_OPTION_SAVE] = {"save", 0, CLI_TYPE_TEXT, "FILE", 0, 0, TRAIN, FIELD(save),
                         "write the model here (safetensors)"},
    [CLI_OPTION_RESUME] = {"resume", 0, CLI_TYPE_TEXT, "FILE", 0, 0, TRAIN, FIELD(resume),
                           "go on from this checkpoint"},
    [CLI_OPTION_FORCE] = {"force", 0, CLI_TYPE_FLAG, NULL, 0, 0, TRAIN, FIELD(force),
                          "go on even with other data or options"},
    [CLI_OPTION_CHECKPOINT] = {"checkpoint", 0, CLI_TYPE_TEXT, "FILE", 0, 0, TRAIN, FIELD(checkpoint),
                               "write checkpoints here, also when interrupted"},
    [CLI_OPTION_CHECKPOINT_EVERY] = {"checkpoint-every", 0, CLI_TYPE_INT, "N", 1, 1000000, TRAIN,
                                     FIELD(checkpoint_every), "epochs from a checkpoint to the next"},
    [CLI_OPTION_LOG] = {"log", 0, CLI_TYPE_TEXT, "FILE", 0, 0, TRAIN, FIELD(log),
                        "write a CSV line an epoch, in the columns of Keras's CSVLogger"},
    [CLI_OPTION_TENSORBOARD] = {"tensorboard", 0, CLI_TYPE_TEXT, "DIR", 0, 0, TRAIN, FIELD(tensorboard),
                                "write events for TensorBoard to DIR/train and DIR/validation"},
    [CLI_OPTION_REPORT] = {"report", 0, CLI_TYPE_TEXT, "FILE", 0, 0, TRAIN | EVALUATE, FIELD(report),
                           "write a page of HTML on the results"},
    [CLI_OPTION_MIN_ACCURACY] = {"min-accuracy", 0, CLI_TYPE_SHARE, "X", 0, 1, TRAIN | EVALUATE, FIELD(min_accuracy),
                                 "exit with 3 where the test accuracy (0 to 1) is lower"},
    [CLI_OPTION_JSON] = {"json", 0, CLI_TYPE_FLAG, NULL, 0, 0, TRAIN | EVALUATE | PREDICT, FIELD(json),
                         "print one JSON object a line instead of the table"},
    [CLI_OPTION_SHOW] = {"show", 0, CLI_TYPE_FLAG, NULL, 0, 0, EVALUATE | PREDICT, FIELD(show),
                         "draw the images that are classified, or that --mistakes lists"},
    [CLI_OPTION_INVERT] = {"invert", 0, CLI_TYPE_CHOICE, "WHEN", 0, 0, PREDICT, FIELD(invert),
                           "dark ink on light paper: auto, yes or no", inversions},
    [CLI_OPTION_RAW] = {"raw", 0, CLI_TYPE_FLAG, NULL, 0, 0, PREDICT, FIELD(raw),
                        "take 28 x 28 pictures as they are, without cropping and centring"},
    [CLI_OPTION_DUMP_INPUT] = {"dump-input", 0, CLI_TYPE_TEXT, "FILE", 0, 0, PREDICT, FIELD(dump_input),
                               "write the 28 x 28 pixels that the network sees, as PGM or .png"},
    [CLI_OPTION_ONNX] = {"onnx", 0, CLI_TYPE_TEXT, "FILE", 0, 0, EXPORT, FIELD(onnx),
                         "write the model here, for ONNX programs (operator set 13)"},
    [CLI_OPTION_PROFILE] = {"profile", 0, CLI_TYPE_FLAG, NULL, 0, 0, TRAIN, FIELD(profile),
                            "time, share and GFLOP/s of each phase of training"},
    [CLI_OPTION_QUIET] = {"quiet", 'q', CLI_TYPE_FLAG, NULL, 0, 0, TRAIN | EVALUATE | PREDICT | EXPORT, FIELD(quiet),
                          "print only the final results"},
    [CLI_OPTION_VERBOSE] = {"verbose", 'v', CLI_TYPE_FLAG, NULL, 0, 0, TRAIN, FIELD(verbose),
                            "say more about what is done and why"},
    [CLI_OPTION_HELP] = {"help", 'h', CLI_TYPE_FLAG, NULL, 0, 0, ALL, FIELD(help), "print this help"},
    [CLI_OPTION_VERSION] = {"version", 'V', CLI_TYPE_FLAG, NULL, 0, 0, ALL, FIELD(version), "print version and build"},
};

const struct cli_command_entry cli_command_table[CLI_COMMANDS] = {
    [CLI_COMMAND_TRAIN] = {"train", "[train] [OPTION]...",
                           "load, split, train, test, then draw and classify one test image"},
    [CLI_COMMAND_EVALUATE] = {"evaluate", "evaluate --model FILE [OPTION]...",
                              "accuracy, loss, precision, recall and confusion matrix of the test images"},
    [CLI_COMMAND_PREDICT] = {"predict", "predict --model FILE [OPTION]... PICTURE...",
                             "classify pictures: PNG, JPEG, PGM or PPM files, - for standard input, test:N for test\n"
                             "image N (counted from 0); the digit first, then the top three"},
    [CLI_COMMAND_EXPORT] = {"export", "export --model FILE --onnx FILE [OPTION]...", "write a model as an ONNX file"},
    [CLI_COMMAND_INFO] = {"info", "info [OPTION]...",
                          "version, build, CPU, and the choice of instruction set and threads"},
    [CLI_COMMAND_SELFTEST] = {"selftest", "selftest",
                              "every kernel and a short training on every processor, against what they must give"},
};

const struct cli_option_group cli_option_groups[CLI_OPTION_GROUPS] = {
    {TRAIN, "Options of train"},
    {TRAIN | INFO, "Options of train and info"},
    {TRAIN | EVALUATE, "Options of train and evaluate"},
    {EVALUATE, "Options of evaluate"},
    {EVALUATE | PREDICT, "Options of evaluate and predict"},
    {PREDICT, "Options of predict"},
    {EXPORT, "Options of export"},
    {EVALUATE | PREDICT | EXPORT, "Options of evaluate, predict and export"},
    {TRAIN | EVALUATE | PREDICT, "Options of train, evaluate and predict"},
    {TRAIN | EVALUATE | PREDICT | EXPORT, "Options of train, evaluate, predict and export"},
    {COMPUTING, "Options of train, evaluate, predict, export and info"},
    {ALL, "Options of every command"},
};

const char *cli_command_name(enum cli_command command)
{
    return cli_command_table[command].name;
}

const char *cli_precision_name(mnist_fast_precision precision)
{
    return precisions[precision];
}

const char *cli_schedule_name(mnist_fast_schedule schedule)
{
    return schedules[schedule];
}
