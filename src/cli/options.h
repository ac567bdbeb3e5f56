/* The command line: one table is the parser, --help, the manual page and the completions of shells. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "mnist_fast.h"

#include <stdbool.h>
#include <stdio.h>

enum cli_command {
    CLI_COMMAND_TRAIN,
    CLI_COMMAND_EVALUATE,
    CLI_COMMAND_PREDICT,
    CLI_COMMAND_EXPORT,
    CLI_COMMAND_INFO,
    CLI_COMMAND_SELFTEST,
    CLI_COMMANDS
};
struct cli_command_entry {
    const char *name;
    const char *usage; /* a command line without the program's name */
    const char *help;  /* one sentence, with line breaks for --help */
};
extern const struct cli_command_entry cli_command_table[CLI_COMMANDS];
const char *cli_command_name(enum cli_command command);
const char *cli_precision_name(mnist_fast_precision precision);
const char *cli_schedule_name(mnist_fast_schedule schedule);

/* The strengths that are not 0, as --augment takes them; NULL: none. */
const char *cli_augment_text(const mnist_fast_config *config, char *buffer, size_t size);

enum cli_recipe { CLI_RECIPE_NONE, CLI_RECIPE_BEST };

enum cli_option_id {
    CLI_OPTION_THREADS,
    CLI_OPTION_ISA,
    CLI_OPTION_DATA,
    CLI_OPTION_MODEL,
    CLI_OPTION_MISTAKES,
    CLI_OPTION_CSV,
    CLI_OPTION_EPOCHS,
    CLI_OPTION_BATCH,
    CLI_OPTION_HIDDEN,
    CLI_OPTION_LR,
    CLI_OPTION_SCHEDULE,
    CLI_OPTION_WARMUP,
    CLI_OPTION_WEIGHT_DECAY,
    CLI_OPTION_PRECISION,
    CLI_OPTION_AUGMENT,
    CLI_OPTION_AUGMENT_PREVIEW,
    CLI_OPTION_RECIPE,
    CLI_OPTION_SEED,
    CLI_OPTION_VALIDATION,
    CLI_OPTION_PATIENCE,
    CLI_OPTION_SHUFFLE_BUFFER,
    CLI_OPTION_SAVE,
    CLI_OPTION_RESUME,
    CLI_OPTION_FORCE,
    CLI_OPTION_CHECKPOINT,
    CLI_OPTION_CHECKPOINT_EVERY,
    CLI_OPTION_LOG,
    CLI_OPTION_TENSORBOARD,
    CLI_OPTION_REPORT,
    CLI_OPTION_MIN_ACCURACY,
    CLI_OPTION_JSON,
    CLI_OPTION_SHOW,
    CLI_OPTION_INVERT,
    CLI_OPTION_RAW,
    CLI_OPTION_DUMP_INPUT,
    CLI_OPTION_ONNX,
    CLI_OPTION_PROFILE,
    CLI_OPTION_QUIET,
    CLI_OPTION_VERBOSE,
    CLI_OPTION_HELP,
    CLI_OPTION_VERSION,
    CLI_OPTIONS
};

enum cli_option_type {
    CLI_TYPE_FLAG,
    CLI_TYPE_INT,
    CLI_TYPE_SEED,
    CLI_TYPE_RATE,
    CLI_TYPE_DECAY,
    CLI_TYPE_CHOICE,
    CLI_TYPE_SHARE,
    CLI_TYPE_LAYERS,
    CLI_TYPE_AUGMENT,
    CLI_TYPE_TEXT,
    CLI_TYPE_TEXTS /* may be given again and again */
};

struct cli_option {
    const char *name; /* without the leading -- */
    char letter;      /* of the short form; 0: none */
    enum cli_option_type type;
    const char *argument; /* its name in --help; NULL for a flag */
    int low, high;        /* the range of a CLI_TYPE_INT and of a layer; of a share, high is 1 where 1 is allowed */
    unsigned commands;    /* a bit for each enum cli_command that knows it */
    size_t field;         /* its offset in struct cli_options: of the type that its type says */
    const char *help;
    const char *const *choices; /* of a CLI_TYPE_CHOICE: the names of 0, 1, ...; NULL last */
};

/* Indexed by enum cli_option_id, in the order in which --help shows them. A default is what cli_options_parse leaves
 * in the field of an option that is not given. */
extern const struct cli_option cli_option_table[CLI_OPTIONS];

/* The options by the commands that know them; each option is in one group. */
struct cli_option_group {
    unsigned commands;
    const char *title;
};
enum { CLI_OPTION_GROUPS = 12 };
extern const struct cli_option_group cli_option_groups[CLI_OPTION_GROUPS];

enum { CLI_MAX_TEXTS = 64 };
struct cli_texts {
    int count;
    const char *text[CLI_MAX_TEXTS];
};

struct cli_options {
    enum cli_command command;
    bool given[CLI_OPTIONS]; /* what the command line names */
    int threads;             /* 0: the default of this machine */
    const char *isa;         /* NULL: MNIST_FAST_ISA, else the best */
    const char *data;        /* --data, else MNIST_FAST_DATA; NULL: the default folder */
    struct cli_texts models;
    const char *save, *resume, *checkpoint, *log, *tensorboard, *report, *dump_input, *onnx, *augment_preview;
    int epochs, checkpoint_every, mistakes;
    double min_accuracy;
    int recipe; /* enum cli_recipe */
    mnist_fast_invert invert;
    mnist_fast_config config;
    bool force, csv, json, raw, show, profile, quiet, verbose, help, version;
    char **operands; /* after the command; pointers into argv */
    int operand_count;
};

/* Reads the command line and the environment, up to the first --help or --version if there is one. Texts are not
 * copied: argv must outlive the options, and is reordered. */
mnist_fast_status cli_options_parse(int argc, char **argv, struct cli_options *options, mnist_fast_error *error);

void cli_options_set_defaults(struct cli_options *options);

/* Sets the field of an option from its text; NULL for a flag. */
mnist_fast_status cli_option_set(const struct cli_option *option, const char *text, struct cli_options *options,
                                 mnist_fast_error *error);

/* What a value of an option must be, as in "a number above 0"; empty for a flag. */
void cli_option_expected(const struct cli_option *option, char *expected, size_t size);

/* The value of an option as a user would write it: in buffer, or the text that was given. NULL: there is none. */
const char *cli_option_value(const struct cli_option *option, const struct cli_options *options, char *buffer,
                             size_t size);

/* Copies the value of an option that is part of the configuration; whether it differed. */
bool cli_option_copy(const struct cli_option *option, const struct cli_options *from, mnist_fast_config *config);

void cli_options_help(FILE *file);

#endif
