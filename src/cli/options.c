#include "options.h"

#include "program.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

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
            status = cli_option_set(&cli_option_table[id], best_recipe[i].value, options, error);
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
        const mnist_fast_status status = cli_option_set(option, optarg, options, error);
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
