#include "options.h"

#include "base/error.h"
#include "kernels.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRAIN = 1 << MF_COMMAND_TRAIN,
    EVALUATE = 1 << MF_COMMAND_EVALUATE,
    PREDICT = 1 << MF_COMMAND_PREDICT,
    INFO = 1 << MF_COMMAND_INFO,
    ALL = TRAIN | EVALUATE | PREDICT | INFO
};

#define FIELD(name) offsetof(struct mf_options, name)

const struct mf_option mf_option_table[MF_OPTIONS] = {
    [MF_OPTION_THREADS] = {"threads", 't', MF_TYPE_INT, "N", 0, MNIST_FAST_MAX_THREADS, ALL, FIELD(threads), "0",
                           "threads to compute with; 0: as many as make sense here"},
    [MF_OPTION_ISA] = {"isa", 0, MF_TYPE_TEXT, "NAME", 0, 0, ALL, FIELD(isa), NULL,
                       "instruction set: scalar, avx2, avx512 or neon (default: the best here)"},
    [MF_OPTION_DATA] = {"data", 'd', MF_TYPE_TEXT, "DIR", 0, 0, TRAIN | EVALUATE | PREDICT, FIELD(data), NULL,
                        "folder of the four MNIST files (default: data/ beside the program)"},
    [MF_OPTION_MODEL] = {"model", 'm', MF_TYPE_TEXT, "FILE", 0, 0, EVALUATE | PREDICT, FIELD(model), NULL,
                         "model to use, as --save wrote it"},
    [MF_OPTION_EPOCHS] = {"epochs", 'e', MF_TYPE_INT, "N", 0, 1000000, TRAIN, FIELD(epochs), "5",
                          "epochs to train, in all"},
    [MF_OPTION_BATCH] = {"batch", 'b', MF_TYPE_INT, "N", 1, 1000000, TRAIN, FIELD(config.batch_size), "1000",
                         "images a step"},
    [MF_OPTION_HIDDEN] = {"hidden", 0, MF_TYPE_LAYERS, "N,N,...", 1, MNIST_FAST_MAX_UNITS, TRAIN, FIELD(config.hidden),
                          "500,500,500", "units of each hidden layer"},
    [MF_OPTION_LR] = {"lr", 0, MF_TYPE_RATE, "X", 0, 0, TRAIN, FIELD(config.learning_rate), "0.001",
                      "learning rate of Adam"},
    [MF_OPTION_SEED] = {"seed", 's', MF_TYPE_SEED, "N", 0, 0, TRAIN, FIELD(config.seed), "1",
                        "seed of all random numbers: one seed, one model"},
    [MF_OPTION_VALIDATION] = {"validation", 0, MF_TYPE_SHARE, "X", 0, 0, TRAIN, FIELD(config.validation_fraction),
                              "0.1", "share of the training images to hold out"},
    [MF_OPTION_SHUFFLE_BUFFER] = {"shuffle-buffer", 0, MF_TYPE_INT, "N", 1, INT_MAX, TRAIN,
                                  FIELD(config.shuffle_buffer), "10000", "images that the shuffle buffer holds"},
    [MF_OPTION_SAVE] = {"save", 0, MF_TYPE_TEXT, "FILE", 0, 0, TRAIN, FIELD(save), NULL,
                        "write the model here (safetensors)"},
    [MF_OPTION_RESUME] = {"resume", 0, MF_TYPE_TEXT, "FILE", 0, 0, TRAIN, FIELD(resume), NULL,
                          "go on from this checkpoint"},
    [MF_OPTION_FORCE] = {"force", 0, MF_TYPE_FLAG, NULL, 0, 0, TRAIN, FIELD(force), NULL,
                         "go on even with other data or options"},
    [MF_OPTION_CHECKPOINT] = {"checkpoint", 0, MF_TYPE_TEXT, "FILE", 0, 0, TRAIN, FIELD(checkpoint), NULL,
                              "write checkpoints here, also when interrupted"},
    [MF_OPTION_CHECKPOINT_EVERY] = {"checkpoint-every", 0, MF_TYPE_INT, "N", 1, 1000000, TRAIN, FIELD(checkpoint_every),
                                    "1", "epochs from a checkpoint to the next"},
    [MF_OPTION_LOG] = {"log", 0, MF_TYPE_TEXT, "FILE", 0, 0, TRAIN, FIELD(log), NULL, "write a CSV line an epoch"},
    [MF_OPTION_JSON] = {"json", 0, MF_TYPE_FLAG, NULL, 0, 0, TRAIN, FIELD(json), NULL,
                        "print one JSON object a line instead of the table"},
    [MF_OPTION_SHOW] = {"show", 0, MF_TYPE_FLAG, NULL, 0, 0, PREDICT, FIELD(show), NULL,
                        "draw the images that are classified"},
    [MF_OPTION_PROFILE] = {"profile", 0, MF_TYPE_FLAG, NULL, 0, 0, TRAIN, FIELD(profile), NULL,
                           "time, share and GFLOP/s of each phase of training"},
    [MF_OPTION_QUIET] = {"quiet", 'q', MF_TYPE_FLAG, NULL, 0, 0, TRAIN | EVALUATE | PREDICT, FIELD(quiet), NULL,
                         "print only the final results"},
    [MF_OPTION_VERBOSE] = {"verbose", 'v', MF_TYPE_FLAG, NULL, 0, 0, TRAIN, FIELD(verbose), NULL,
                           "say more about what is done and why"},
    [MF_OPTION_HELP] = {"help", 'h', MF_TYPE_FLAG, NULL, 0, 0, ALL, FIELD(help), NULL, "print this help"},
    [MF_OPTION_VERSION] = {"version", 'V', MF_TYPE_FLAG, NULL, 0, 0, ALL, FIELD(version), NULL,
                           "print version and build"},
};

const char *mf_command_name(enum mf_command command)
{
    static const char *const names[MF_COMMANDS] = {"train", "evaluate", "predict", "info"};
    return names[command];
}

/* strtol and its kin skip spaces, and strtoull takes "-1" for the largest number: neither is wanted here. */
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

static bool read_layers(const char *text, const struct mf_option *option, mnist_fast_config *config)
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

static mnist_fast_status wrong_value(const struct mf_option *option, const char *text, mnist_fast_error *error)
{
    char expected[128] = "";
    switch (option->type) {
    case MF_TYPE_INT:
        snprintf(expected, sizeof expected, "a whole number from %d to %d", option->low, option->high);
        break;
    case MF_TYPE_SEED: snprintf(expected, sizeof expected, "a whole number from 0 to %llu", ULLONG_MAX); break;
    case MF_TYPE_RATE: snprintf(expected, sizeof expected, "a number above 0"); break;
    case MF_TYPE_SHARE: snprintf(expected, sizeof expected, "a number from 0 to below 1"); break;
    case MF_TYPE_LAYERS:
        snprintf(expected, sizeof expected, "1 to %d whole numbers from %d to %d, separated by commas",
                 MNIST_FAST_MAX_HIDDEN, option->low, option->high);
        break;
    case MF_TYPE_TEXT:
        snprintf(expected, sizeof expected, "a %s", strcmp(option->argument, "DIR") == 0 ? "folder" : "name");
        break;
    case MF_TYPE_FLAG: break;
    }
    return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "--%s: expected %s, found '%.80s'", option->name, expected, text);
}

static mnist_fast_status set_value(const struct mf_option *option, const char *text, struct mf_options *options,
                                   mnist_fast_error *error)
{
    void *field = (char *)options + option->field;
    bool good = true;
    switch (option->type) {
    case MF_TYPE_FLAG: *(bool *)field = true; break;
    case MF_TYPE_INT: {
        char *end;
        good = read_int(text, '\0', option->low, option->high, field, &end);
        break;
    }
    case MF_TYPE_SEED: good = read_seed(text, field); break;
    case MF_TYPE_RATE: {
        double value;
        good = read_double(text, &value) && isfinite((float)value) && (float)value > 0;
        if (good)
            *(float *)field = (float)value;
        break;
    }
    case MF_TYPE_SHARE: good = read_double(text, field) && *(double *)field >= 0 && *(double *)field < 1; break;
    case MF_TYPE_LAYERS: good = read_layers(text, option, &options->config); break;
    case MF_TYPE_TEXT:
        good = *text != '\0';
        *(const char **)field = text;
        break;
    }
    return good ? MNIST_FAST_OK : wrong_value(option, text, error);
}

/* Codes above every letter, so that getopt's answer is a letter or an option's index. */
enum { LONG_CODE = 256 };

static const struct mf_option *find_option(int code)
{
    if (code >= LONG_CODE && code < LONG_CODE + MF_OPTIONS)
        return &mf_option_table[code - LONG_CODE];
    for (int i = 0; i < MF_OPTIONS; i++)
        if (code && mf_option_table[i].letter == code)
            return &mf_option_table[i];
    return NULL;
}

static mnist_fast_status wrong_option(int code, const char *word, mnist_fast_error *error)
{
    const struct mf_option *option = find_option(optopt);
    if (option && code == ':')
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "--%s: %s is missing", option->name, option->argument);
    if (option)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "--%s takes no value", option->name);
    if (optopt)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "-%c: there is no such option", optopt);
    return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "%.80s: there is no such option, or more than one", word);
}

static mnist_fast_status check_isa(const char *source, const char *name, mnist_fast_error *error)
{
    if (mf_kernels_choose(name))
        return MNIST_FAST_OK;
    char runs[128] = "";
    for (const struct mf_kernels *const *isa = mf_isas; *isa; isa++) {
        const size_t length = strlen(runs);
        if ((*isa)->supported())
            snprintf(runs + length, sizeof runs - length, "%s%s", length ? ", " : "", (*isa)->name);
    }
    return mf_fail(error, MNIST_FAST_NO_ISA, "%s: '%.80s' can't run here (this CPU runs: %s)", source, name, runs);
}

/* Takes the command off the operands, and checks what options and operands mean together. */
static mnist_fast_status check_command(struct mf_options *options, mnist_fast_error *error)
{
    if (options->operand_count > 0) {
        const char *word = options->operands[0];
        int command = 0;
        while (command < MF_COMMANDS && strcmp(word, mf_command_name(command)) != 0)
            command++;
        if (command == MF_COMMANDS)
            return mf_fail(error, MNIST_FAST_BAD_ARGUMENT,
                           "'%.80s': there is no such command (expected train, evaluate, predict or info)", word);
        options->command = (enum mf_command)command;
        options->operands++;
        options->operand_count--;
    }
    const char *name = mf_command_name(options->command);
    for (int i = 0; i < MF_OPTIONS; i++)
        if (options->given[i] && !(mf_option_table[i].commands & 1u << options->command))
            return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "--%s has no meaning for %s", mf_option_table[i].name, name);
    const bool models = mf_option_table[MF_OPTION_MODEL].commands & 1u << options->command;
    if (models && !options->model)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "%s: --model FILE is missing", name);
    if (options->command == MF_COMMAND_PREDICT && options->operand_count == 0)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "predict: an image is missing (test:N for test image N)");
    if (options->command != MF_COMMAND_PREDICT && options->operand_count > 0)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "'%.80s': %s takes no operand", options->operands[0], name);
    if (options->force && !options->resume)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "--force has no meaning without --resume FILE");
    if (options->given[MF_OPTION_CHECKPOINT_EVERY] && !options->checkpoint)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "--checkpoint-every has no meaning without --checkpoint FILE");
    return MNIST_FAST_OK;
}

static const char *environment(const char *name)
{
    const char *text = getenv(name);
    return text && *text ? text : NULL;
}

mnist_fast_status mf_options_parse(int argc, char **argv, struct mf_options *options, mnist_fast_error *error)
{
    *options = (struct mf_options){0};
    mnist_fast_default_config(&options->config);
    struct option longs[MF_OPTIONS + 1] = {0};
    char letters[2 * MF_OPTIONS + 3] = "-:"; /* operands in their order, under POSIXLY_CORRECT too; no messages */
    char *letter = letters + strlen(letters);
    for (int i = 0; i < MF_OPTIONS; i++) {
        const struct mf_option *option = &mf_option_table[i];
        longs[i] =
            (struct option){option->name, option->argument ? required_argument : no_argument, NULL, LONG_CODE + i};
        if (option->letter)
            *letter++ = option->letter;
        if (option->letter && option->argument)
            *letter++ = ':';
        if (option->preset) {
            const mnist_fast_status status = set_value(option, option->preset, options, error);
            if (status != MNIST_FAST_OK)
                return status;
        }
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
        const struct mf_option *option = code == '?' || code == ':' ? NULL : find_option(code);
        if (!option)
            return wrong_option(code, argv[optind - 1], error);
        const mnist_fast_status status = set_value(option, optarg, options, error);
        if (status != MNIST_FAST_OK)
            return status;
        options->given[option - mf_option_table] = true;
        if (options->help || options->version)
            return MNIST_FAST_OK;
    }
    while (optind < argc)
        options->operands[options->operand_count++] = argv[optind++];

    const char *isa_source = "--isa";
    if (!options->isa) {
        isa_source = "MNIST_FAST_ISA";
        options->isa = environment(isa_source);
    }
    if (!options->data)
        options->data = environment("MNIST_FAST_DATA");
    const mnist_fast_status status = check_command(options, error);
    return status == MNIST_FAST_OK && options->isa ? check_isa(isa_source, options->isa, error) : status;
}

void mf_options_help(FILE *file)
{
    fputs("Usage: mnist_fast [train] [OPTION]...\n"
          "       mnist_fast evaluate --model FILE [OPTION]...\n"
          "       mnist_fast predict --model FILE [OPTION]... test:N...\n"
          "       mnist_fast info [OPTION]...\n"
          "Train and run a recogniser of handwritten digits.\n"
          "\n"
          "  train     load, split, train, test, then draw and classify one test image\n"
          "  evaluate  loss, accuracy and confusion matrix of the test images\n"
          "  predict   classify test image N (counted from 0): the digit, then the top three\n"
          "  info      version, build, CPU, and the choice of instruction set and threads\n",
          file);
    static const struct {
        unsigned commands;
        const char *title;
    } groups[] = {
        {TRAIN, "Options of train"},       {EVALUATE | PREDICT, "Options of evaluate and predict"},
        {PREDICT, "Options of predict"},   {TRAIN | EVALUATE | PREDICT, "Options of train, evaluate and predict"},
        {ALL, "Options of every command"},
    };
    for (size_t group = 0; group < sizeof groups / sizeof *groups; group++) {
        fprintf(file, "\n%s:\n", groups[group].title);
        for (int i = 0; i < MF_OPTIONS; i++) {
            const struct mf_option *option = &mf_option_table[i];
            if (option->commands != groups[group].commands)
                continue;
            char left[64];
            snprintf(left, sizeof left, "--%s%s%s", option->name, option->argument ? " " : "",
                     option->argument ? option->argument : "");
            fprintf(file, "  %c%c%c %-21s %s", option->letter ? '-' : ' ', option->letter ? option->letter : ' ',
                    option->letter ? ',' : ' ', left, option->help);
            if (option->preset)
                fprintf(file, " (default %s)", option->preset);
            fputc('\n', file);
        }
    }
    fputs("\nExit status: 0 done, 1 something failed, 2 wrong usage, 128+N stopped by signal N.\n"
          "Environment: MNIST_FAST_ISA, MNIST_FAST_DATA, OMP_NUM_THREADS.\n",
          file);
}
