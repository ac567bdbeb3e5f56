/* The command line: one table is the parser, --help, and what manual page and completion are made from. */
#ifndef MF_OPTIONS_H
#define MF_OPTIONS_H

#include "mnist_fast.h"

#include <stdbool.h>
#include <stdio.h>

enum mf_command { MF_COMMAND_TRAIN, MF_COMMAND_EVALUATE, MF_COMMAND_PREDICT, MF_COMMAND_INFO, MF_COMMANDS };
const char *mf_command_name(enum mf_command command);

enum mf_option_id {
    MF_OPTION_THREADS,
    MF_OPTION_ISA,
    MF_OPTION_DATA,
    MF_OPTION_MODEL,
    MF_OPTION_EPOCHS,
    MF_OPTION_BATCH,
    MF_OPTION_HIDDEN,
    MF_OPTION_LR,
    MF_OPTION_SEED,
    MF_OPTION_VALIDATION,
    MF_OPTION_SHUFFLE_BUFFER,
    MF_OPTION_SAVE,
    MF_OPTION_RESUME,
    MF_OPTION_FORCE,
    MF_OPTION_CHECKPOINT,
    MF_OPTION_CHECKPOINT_EVERY,
    MF_OPTION_LOG,
    MF_OPTION_JSON,
    MF_OPTION_SHOW,
    MF_OPTION_PROFILE,
    MF_OPTION_QUIET,
    MF_OPTION_VERBOSE,
    MF_OPTION_HELP,
    MF_OPTION_VERSION,
    MF_OPTIONS
};

enum mf_option_type {
    MF_TYPE_FLAG,
    MF_TYPE_INT,
    MF_TYPE_SEED,
    MF_TYPE_RATE,
    MF_TYPE_SHARE,
    MF_TYPE_LAYERS,
    MF_TYPE_TEXT
};

struct mf_option {
    const char *name; /* without the leading -- */
    char letter;      /* of the short form; 0: none */
    enum mf_option_type type;
    const char *argument; /* its name in --help; NULL for a flag */
    int low, high;        /* the range of an MF_TYPE_INT, and of a layer */
    unsigned commands;    /* a bit for each enum mf_command that knows it */
    size_t field;         /* its offset in struct mf_options: a bool, int, uint64_t, float, double or const char * */
    const char *preset;   /* the default, as a user would write it; NULL: none */
    const char *help;
};

/* Indexed by enum mf_option_id, in the order in which --help shows them. */
extern const struct mf_option mf_option_table[MF_OPTIONS];

struct mf_options {
    enum mf_command command;
    bool given[MF_OPTIONS]; /* what the command line names */
    int threads;            /* 0: the default of this machine */
    const char *isa;        /* --isa, else MNIST_FAST_ISA; NULL: the best */
    const char *data;       /* --data, else MNIST_FAST_DATA; NULL: the default folder */
    const char *model, *save, *resume, *checkpoint, *log;
    int epochs, checkpoint_every;
    mnist_fast_config config;
    bool force, json, show, profile, quiet, verbose, help, version;
    char **operands; /* after the command; they stand in argv */
    int operand_count;
};

/* Reads the command line and the environment, up to the first --help or --version if there is one. Texts are not
 * copied: argv must outlive the options, and is reordered. */
mnist_fast_status mf_options_parse(int argc, char **argv, struct mf_options *options, mnist_fast_error *error);

void mf_options_help(FILE *file);

#endif
