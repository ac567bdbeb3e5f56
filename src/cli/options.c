#include "options.h"

#include "program.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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
static const char *const strengths[CLI_STRENGTHS] = {"rotation", "shear", "scale", "shift", "elastic"};
static const double strongest[CLI_STRENGTHS] = {1, 1, 0.5, 28, 28};
_Static_assert(offsetof(mnist_fast_config, elastic) ==
                   offsetof(mnist_fast_config, rotation) + (CLI_STRENGTHS - 1) * sizeof(double),
               "the strengths stand side by side");

/* Only a CLI_TYPE_CHOICE has choices. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
const struct cli_option cli_option_table[CLI_OPTIONS] = {
    [CLI_OPTION_THREADS] = {"threads", 't', CLI_TYPE_INT, "N", 0, MNIST_FAST_MAX_THREADS, COMPUTING, FIELD(threads),
                            "threads to compute with; 0: as many as make sense here"},
    [CLI_OPTION_ISA] = {"isa", 0, CLI_TYPE_TEXT, "NAME", 0, 0, COMPUTING, FIELD(isa),
                        "instruction set: scalar, avx2, avx512, amx, neon (default: the best)"},
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

/* strtol and strtod skip leading spaces, and strtoull reads "-1" as the largest number: both are refused here. */
static bool starts_number(const char *text)
{
    return (*text >= '0' && *text <= '9') || *text == '.' || *text == '+' || *text == '-';
}

static bool read_int(const char *text, char end_mark, int low, int high, int *value, char **end)
{
    errno = 0;
    const long number = strtol(text, end, 10);
    if (!starts_number(text) || *end == text || (**end && **end != end_mark) || errno || number < low || number > high)
        return false;
    *value = (int)number;
    return true;
}

static bool read_seed(const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return starts_number(text) && *text != '-' && end != text && !*end && !errno;
}

static bool read_double(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return starts_number(text) && end != text && !*end && isfinite(*value);
}

static bool read_choice(const char *text, const char *const *choices, int *value)
{
    for (*value = 0; choices[*value]; ++*value)
        if (strcmp(text, choices[*value]) == 0)
            return true;
    return false;
}

static bool read_layers(const char *text, const struct cli_option *option, mnist_fast_config *config)
{
    config->hidden_count = 0;
    for (;;) {
        char *end;
        if (config->hidden_count == MNIST_FAST_MAX_HIDDEN ||
            !read_int(text, ',', option->low, option->high, &config->hidden[config->hidden_count], &end))
            return false;
        config->hidden_count++;
        if (!*end)
            return true;
        text = end + 1;
    }
}

/* NAME=X,...: those that are not named are 0. */
static bool read_augment(const char *text, double values[CLI_STRENGTHS])
{
    memset(values, 0, CLI_STRENGTHS * sizeof *values);
    for (;;) {
        int i = 0;
        size_t length;
        while (i < CLI_STRENGTHS &&
               (length = strlen(strengths[i]), strncmp(text, strengths[i], length) != 0 || text[length] != '='))
            i++;
        if (i == CLI_STRENGTHS)
            return false;
        text += length + 1;
        char *end;
        values[i] = strtod(text, &end);
        if (!starts_number(text) || end == text || (*end && *end != ',') ||
            !(values[i] >= 0 && values[i] <= strongest[i]))
            return false;
        if (!*end)
            return true;
        text = end + 1;
    }
}

const char *cli_augment_text(const mnist_fast_config *config, char *buffer, size_t size)
{
    const double *value = &config->rotation;
    size_t length = 0;
    for (int i = 0; i < CLI_STRENGTHS; i++) {
        char number[32];
        if (value[i] != 0 && length < size)
            length += (size_t)snprintf(buffer + length, size - length, "%s%s=%s", length ? "," : "", strengths[i],
                                       cli_shortest(value[i], false, number, sizeof number));
    }
    return length ? buffer : NULL;
}

void cli_option_expected(const struct cli_option *option, char *expected, size_t size)
{
    *expected = '\0';
    switch (option->type) {
    case CLI_TYPE_INT: snprintf(expected, size, "a whole number from %d to %d", option->low, option->high); break;
    case CLI_TYPE_SEED: snprintf(expected, size, "a whole number from 0 to %llu", ULLONG_MAX); break;
    case CLI_TYPE_RATE: snprintf(expected, size, "a number above 0"); break;
    case CLI_TYPE_DECAY: snprintf(expected, size, "a number of at least 0"); break;
    case CLI_TYPE_CHOICE:
        for (int i = 0; option->choices[i]; i++) {
            const size_t length = strlen(expected);
            snprintf(expected + length, size - length, "%s%s",
                     i == 0                   ? ""
                     : option->choices[i + 1] ? ", "
                                              : " or ",
                     option->choices[i]);
        }
        break;
    case CLI_TYPE_SHARE: snprintf(expected, size, "a number from 0 to %s1", option->high ? "" : "below "); break;
    case CLI_TYPE_AUGMENT:
        snprintf(expected, size, "NAME=X,... of rotation, shear (0 to 1), scale (0 to 0.5), shift, elastic (0 to 28)");
        break;
    case CLI_TYPE_LAYERS:
        snprintf(expected, size, "1 to %d whole numbers from %d to %d, separated by commas", MNIST_FAST_MAX_HIDDEN,
                 option->low, option->high);
        break;
    case CLI_TYPE_TEXTS:
    case CLI_TYPE_TEXT:
        snprintf(expected, size, "a %s", strcmp(option->argument, "DIR") == 0 ? "folder" : "name");
        break;
    case CLI_TYPE_FLAG: break;
    }
}

static mnist_fast_status wrong_value(const struct cli_option *option, const char *text, mnist_fast_error *error)
{
    char expected[128];
    cli_option_expected(option, expected, sizeof expected);
    return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "--%s: expected %s, found '%.80s'", option->name, expected, text);
}

static mnist_fast_status set_value(const struct cli_option *option, const char *text, struct cli_options *options,
                                   mnist_fast_error *error)
{
    void *field = (char *)options + option->field;
    bool good = true;
    switch (option->type) {
    case CLI_TYPE_FLAG: *(bool *)field = true; break;
    case CLI_TYPE_INT: {
        char *end;
        good = read_int(text, '\0', option->low, option->high, field, &end);
        break;
    }
    case CLI_TYPE_SEED: good = read_seed(text, field); break;
    case CLI_TYPE_RATE: {
        double value;
        good = read_double(text, &value) && isfinite((float)value) && (float)value > 0;
        if (good)
            *(float *)field = (float)value;
        break;
    }
    case CLI_TYPE_DECAY: good = read_double(text, field) && *(double *)field >= 0; break;
    case CLI_TYPE_CHOICE: good = read_choice(text, option->choices, field); break;
    case CLI_TYPE_SHARE: {
        double *value = field;
        good = read_double(text, value) && *value >= 0 && (*value < 1 || (option->high && *value <= 1));
        break;
    }
    case CLI_TYPE_AUGMENT: good = read_augment(text, field); break;
    case CLI_TYPE_LAYERS: good = read_layers(text, option, &options->config); break;
    case CLI_TYPE_TEXT:
        good = *text != '\0';
        *(const char **)field = text;
        break;
    case CLI_TYPE_TEXTS: {
        struct cli_texts *texts = field;
        if (texts->count == CLI_MAX_TEXTS)
            return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "--%s: may be given %d times at most", option->name,
                            CLI_MAX_TEXTS);
        good = *text != '\0';
        texts->text[texts->count++] = text;
        break;
    }
    }
    return good ? MNIST_FAST_OK : wrong_value(option, text, error);
}

/* What --recipe best stands for, where the command line does not say otherwise; docs/accuracy.md has the reasons. */
static const struct {
    enum cli_option_id id;
    const char *value;
} best_recipe[] = {
    {CLI_OPTION_EPOCHS, "250"},
    {CLI_OPTION_VALIDATION, "0"},
    {CLI_OPTION_LR, "0.002"},
    {CLI_OPTION_SCHEDULE, "cosine"},
    {CLI_OPTION_WARMUP, "300"},
    {CLI_OPTION_WEIGHT_DECAY, "0.05"},
    {CLI_OPTION_AUGMENT, "rotation=0.25,scale=0.15,shift=1.5,elastic=3"},
};

static mnist_fast_status apply_recipe(struct cli_options *options, mnist_fast_error *error)
{
    mnist_fast_status status = MNIST_FAST_OK;
    for (size_t i = 0; !status && i < sizeof best_recipe / sizeof *best_recipe; i++) {
        const enum cli_option_id id = best_recipe[i].id;
        if (!options->given[id])
            status = set_value(&cli_option_table[id], best_recipe[i].value, options, error);
        options->given[id] = true;
    }
    return status;
}

/* Codes above every letter, so that getopt's answer is a letter or an option's index. */
enum { LONG_CODE = 256 };

static const struct cli_option *find_option(int code)
{
    if (code >= LONG_CODE && code < LONG_CODE + CLI_OPTIONS)
        return &cli_option_table[code - LONG_CODE];
    for (int i = 0; i < CLI_OPTIONS; i++)
        if (code && cli_option_table[i].letter == code)
            return &cli_option_table[i];
    return NULL;
}

/* Levenshtein's distance: letters to insert, remove or replace. */
static size_t distance(const char *a, const char *b)
{
    enum { LONGEST = 32 };
    const size_t rows = strlen(a), columns = strlen(b);
    size_t row[LONGEST + 1];
    if (rows > LONGEST || columns > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= columns; j++)
        row[j] = j;
    for (size_t i = 1; i <= rows; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            const size_t above = row[j], replaced = diagonal + (a[i - 1] != b[j - 1]);
            const size_t shorter = (above < row[j - 1] ? above : row[j - 1]) + 1;
            row[j] = replaced < shorter ? replaced : shorter;
            diagonal = above;
        }
    }
    return row[columns];
}

/* The option that was probably meant by "--word" or "--word=value"; NULL: none is near. */
static const char *nearest_option(const char *word)
{
    char name[32];
    if (strncmp(word, "--", 2) != 0)
        return NULL;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    const char *nearest = NULL;
    size_t least = 3; /* at most two letters are wrong */
    for (int i = 0; i < CLI_OPTIONS; i++) {
        const size_t wrong = distance(name, cli_option_table[i].name);
        if (wrong < least && wrong < strlen(name)) {
            least = wrong;
            nearest = cli_option_table[i].name;
        }
    }
    return nearest;
}

static mnist_fast_status wrong_option(int code, const char *word, mnist_fast_error *error)
{
    const struct cli_option *option = find_option(optopt);
    if (option && code == ':')
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "--%s: %s is missing", option->name, option->argument);
    if (option)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "--%s takes no value", option->name);
    if (optopt)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "-%c: there is no such option", optopt);
    const char *nearest = nearest_option(word);
    if (nearest)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "%.80s: there is no such option; did you mean --%s?", word,
                        nearest);
    return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "%.80s: there is no such option, or more than one", word);
}

/* Takes the command off the operands, and checks what options and operands mean together. */
static mnist_fast_status check_command(struct cli_options *options, mnist_fast_error *error)
{
    if (options->operand_count > 0) {
        const char *word = options->operands[0];
        int command = 0;
        while (command < CLI_COMMANDS && strcmp(word, cli_command_name(command)) != 0)
            command++;
        if (command == CLI_COMMANDS)
            return cli_fail(error, MNIST_FAST_BAD_ARGUMENT,
                            "'%.80s': there is no such command (expected train, evaluate, predict, export, info or "
                            "selftest)",
                            word);
        options->command = (enum cli_command)command;
        options->operands++;
        options->operand_count--;
    }
    const char *name = cli_command_name(options->command);
    for (int i = 0; i < CLI_OPTIONS; i++)
        if (options->given[i] && !(cli_option_table[i].commands & 1u << options->command))
            return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "--%s has no meaning for %s", cli_option_table[i].name,
                            name);
    const bool models = cli_option_table[CLI_OPTION_MODEL].commands & 1u << options->command;
    if (models && !options->models.count)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "%s: --model FILE is missing", name);
    if (models && options->command != CLI_COMMAND_EVALUATE && options->models.count > 1)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "%s: expected one --model FILE, found %d", name,
                        options->models.count);
    if (options->command == CLI_COMMAND_EXPORT && !options->onnx)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "export: --onnx FILE is missing");
    if (options->csv && options->json)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "--csv and --json exclude each other");
    if (options->command == CLI_COMMAND_EVALUATE && options->show && !options->mistakes)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "evaluate: --show has no meaning without --mistakes N");
    if (options->show && (options->csv || options->json))
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "--show has no meaning with --%s",
                        options->csv ? "csv" : "json");
    if (options->dump_input && options->operand_count > 1)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "--dump-input: expected one picture, found %d",
                        options->operand_count);
    if (options->command == CLI_COMMAND_PREDICT && options->operand_count == 0)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT,
                        "predict: a picture is missing (a file, - for standard input, or test:N for test image N)");
    if (options->command != CLI_COMMAND_PREDICT && options->operand_count > 0)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "'%.80s': %s takes no operand", options->operands[0], name);
    const mnist_fast_config *config = &options->config;
    if (config->patience && config->validation_fraction == 0)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT,
                        "--patience has no meaning without images to validate on (--validation 0)");
    if (config->schedule == MNIST_FAST_COSINE && options->epochs == 0)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "--schedule cosine: --epochs must be at least 1");
    options->config.schedule_epochs = config->schedule == MNIST_FAST_COSINE ? options->epochs : 0;
    char buffer[256];
    if (options->augment_preview && !cli_augment_text(config, buffer, sizeof buffer) && !options->resume)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT,
                        "--augment-preview has no meaning without --augment NAME=X,...");
    if (options->force && !options->resume)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "--force has no meaning without --resume FILE");
    if (options->given[CLI_OPTION_CHECKPOINT_EVERY] && !options->checkpoint)
        return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "--checkpoint-every has no meaning without --checkpoint FILE");
    return MNIST_FAST_OK;
}

static const char *environment(const char *name)
{
    const char *text = getenv(name);
    return text && *text ? text : NULL;
}

void cli_options_set_defaults(struct cli_options *options)
{
    *options = (struct cli_options){.epochs = 5, .checkpoint_every = 1};
    mnist_fast_default_config(&options->config, sizeof options->config);
}

mnist_fast_status cli_options_parse(int argc, char **argv, struct cli_options *options, mnist_fast_error *error)
{
    cli_options_set_defaults(options);
    struct option longs[CLI_OPTIONS + 1] = {0};
    char letters[2 * CLI_OPTIONS + 3] = "-:"; /* operands in their order, under POSIXLY_CORRECT too; no messages */
    char *letter = letters + strlen(letters);
    for (int i = 0; i < CLI_OPTIONS; i++) {
        const struct cli_option *option = &cli_option_table[i];
        longs[i] =
            (struct option){option->name, option->argument ? required_argument : no_argument, NULL, LONG_CODE + i};
        if (option->letter)
            *letter++ = option->letter;
        if (option->letter && option->argument)
            *letter++ = ':';
    }

    options->operands = argv + (argc > 0);
    optind = 0; /* starts getopt anew */
    opterr = 0;
    int code;
    while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (code == 1) { /* an operand: moved down to the others, over a word that has been read */
            options->operands[options->operand_count++] = optarg;
            continue;
        }
        const struct cli_option *option = code == '?' || code == ':' ? NULL : find_option(code);
        if (!option)
            return wrong_option(code, argv[optind - 1], error);
        const mnist_fast_status status = set_value(option, optarg, options, error);
        if (status != MNIST_FAST_OK)
            return status;
        options->given[option - cli_option_table] = true;
        if (options->help || options->version)
            return MNIST_FAST_OK;
    }
    while (optind < argc)
        options->operands[options->operand_count++] = argv[optind++];

    if (options->recipe == CLI_RECIPE_BEST) {
        const mnist_fast_status status = apply_recipe(options, error);
        if (status)
            return status;
    }
    if (!options->data)
        options->data = environment("MNIST_FAST_DATA");
    return check_command(options, error);
}

const char *cli_option_value(const struct cli_option *option, const struct cli_options *options, char *buffer,
                             size_t size)
{
    const void *field = (const char *)options + option->field;
    switch (option->type) {
    case CLI_TYPE_INT: snprintf(buffer, size, "%d", *(const int *)field); return buffer;
    case CLI_TYPE_SEED: snprintf(buffer, size, "%llu", (unsigned long long)*(const uint64_t *)field); return buffer;
    case CLI_TYPE_RATE: return cli_shortest((double)*(const float *)field, true, buffer, size);
    case CLI_TYPE_CHOICE: return option->choices[*(const int *)field];
    case CLI_TYPE_DECAY:
    case CLI_TYPE_SHARE: return cli_shortest(*(const double *)field, false, buffer, size);
    case CLI_TYPE_AUGMENT: return cli_augment_text(&options->config, buffer, size);
    case CLI_TYPE_LAYERS: {
        size_t length = 0;
        *buffer = '\0';
        for (int i = 0; i < options->config.hidden_count && length < size; i++)
            length += (size_t)snprintf(buffer + length, size - length, "%s%d", i ? "," : "", options->config.hidden[i]);
        return buffer;
    }
    case CLI_TYPE_TEXT: return *(const char *const *)field;
    case CLI_TYPE_TEXTS:
    case CLI_TYPE_FLAG: break;
    }
    return NULL;
}

void cli_options_help(FILE *file)
{
    struct cli_options defaults;
    cli_options_set_defaults(&defaults);
    for (int i = 0; i < CLI_COMMANDS; i++)
        fprintf(file, "%s mnist_fast %s\n", i == 0 ? "Usage:" : "      ", cli_command_table[i].usage);
    fputs("Train and run a recogniser of handwritten digits.\n\n", file);
    for (int i = 0; i < CLI_COMMANDS; i++) {
        const char *help = cli_command_table[i].help;
        fprintf(file, "  %-9s ", cli_command_table[i].name);
        for (const char *end; (end = strchr(help, '\n')); help = end + 1)
            fprintf(file, "%.*s\n%12s", (int)(end - help), help, "");
        fprintf(file, "%s\n", help);
    }
    for (int group = 0; group < CLI_OPTION_GROUPS; group++) {
        fprintf(file, "\n%s:\n", cli_option_groups[group].title);
        for (int i = 0; i < CLI_OPTIONS; i++) {
            const struct cli_option *option = &cli_option_table[i];
            if (option->commands != cli_option_groups[group].commands)
                continue;
            char left[64];
            snprintf(left, sizeof left, "--%s%s%s", option->name, option->argument ? " " : "",
                     option->argument ? option->argument : "");
            fprintf(file, "  %c%c%c %-21s %s", option->letter ? '-' : ' ', option->letter ? option->letter : ' ',
                    option->letter ? ',' : ' ', left, option->help);
            char buffer[128];
            const char *value = cli_option_value(option, &defaults, buffer, sizeof buffer);
            if (value)
                fprintf(file, " (default %s)", value);
            fputc('\n', file);
        }
    }
    fputs("\nExit status: 0 done, 1 something failed, 2 wrong usage, 3 less than --min-accuracy,\n"
          "128+N stopped by signal N.\n"
          "Environment: MNIST_FAST_ISA, MNIST_FAST_DATA, MNIST_FAST_BLOCK, OMP_NUM_THREADS.\n",
          file);
}
