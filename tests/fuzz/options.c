/* The command line: the input has an argument a line. */
#include "cli/options.h"

#include "engine/config.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 100 }; /* arguments */

/* What the parser has accepted must be acceptable. */
static void check(const struct cli_options *options)
{
    char buffer[256];
    mnist_fast_config config;
    mnist_fast_error error;
    if (options->help || options->version)
        return;
    fuzz_require(options->command < CLI_COMMANDS);
    fuzz_require(options->threads >= 0 && options->threads <= MNIST_FAST_MAX_THREADS);
    fuzz_require(options->epochs >= 0 && options->checkpoint_every >= 1 && options->mistakes >= 0);
    fuzz_require(options->min_accuracy >= 0 && options->min_accuracy <= 1);
    fuzz_require(mf_config_read(&options->config, &config, &error) == MNIST_FAST_OK);
    for (int i = 0; i < CLI_OPTIONS; i++) {
        const struct cli_option *option = &cli_option_table[i];
        const char *value = cli_option_value(option, options, buffer, sizeof buffer);
        fuzz_require(!value || strlen(value) < FUZZ_LARGEST);
        if (option->type == CLI_TYPE_INT && options->given[i])
            fuzz_require(atoi(value) >= option->low && atoi(value) <= option->high);
    }
    fuzz_require(options->operand_count >= 0);
    for (int i = 0; i < options->operand_count; i++)
        fuzz_require(strlen(options->operands[i]) < FUZZ_LARGEST);
    for (int i = 0; i < options->models.count; i++)
        fuzz_require(*options->models.text[i] != '\0');
}

static void run(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *argv[MOST + 2] = {"mnist_fast"};
    int argc = 1;
    fuzz_require(text);
    memcpy(text, data, size);
    text[size] = '\0';
    for (char *line = text; line && argc <= MOST;) {
        char *end = strchr(line, '\n');
        argv[argc++] = line;
        if (end)
            *end++ = '\0';
        line = end;
    }
    struct cli_options options;
    mnist_fast_error error = {""};
    if (cli_options_parse(argc, argv, &options, &error))
        fuzz_require(*error.text && !strchr(error.text, '\n'));
    else
        check(&options);
    free(text);
}

/* Each option with a value that it may have, to each command; then each whole number outside its range. */
static size_t seed(int number, uint8_t to[FUZZ_LARGEST])
{
    static const char *const values[] = {
        [CLI_TYPE_INT] = "7",         [CLI_TYPE_SEED] = "18446744073709551615",
        [CLI_TYPE_RATE] = "1e-3",     [CLI_TYPE_DECAY] = "0.01",
        [CLI_TYPE_CHOICE] = "",       [CLI_TYPE_SHARE] = "0.25",
        [CLI_TYPE_LAYERS] = "5,6,70", [CLI_TYPE_TEXT] = "name",
        [CLI_TYPE_TEXTS] = "model",   [CLI_TYPE_AUGMENT] = "rotation=0.25,elastic=2",
    };
    const int command = number % CLI_COMMANDS, id = number / CLI_COMMANDS % CLI_OPTIONS;
    const int round = number / CLI_COMMANDS / CLI_OPTIONS;
    if (round > 2)
        return 0;
    const struct cli_option *option = &cli_option_table[id];
    if (round > 0 && option->type == CLI_TYPE_INT)
        return (size_t)snprintf((char *)to, FUZZ_LARGEST, "%s\n--%s=%lld\n--model=m\ntest:1",
                                cli_command_name((enum cli_command)command), option->name,
                                round == 1 ? (long long)option->low - 1 : (long long)option->high + 1);
    const char *value = option->type == CLI_TYPE_FLAG     ? NULL
                        : option->type == CLI_TYPE_CHOICE ? option->choices[0]
                                                          : values[option->type];
    return (size_t)snprintf((char *)to, FUZZ_LARGEST, "%s\n--%s%s%s\n--model=m\ntest:1",
                            cli_command_name((enum cli_command)command), option->name, value ? "\n" : "",
                            value ? value : "");
}

const struct fuzz_target fuzz_options = {"options", run, seed, NULL, 5000};
