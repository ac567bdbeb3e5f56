/* The command line: what it accepts, and what it refuses. */
#include "cli/options.h"

#include "support.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 20 };

static struct cli_options options;
static mnist_fast_error error;
static char *words[MAX_WORDS + 2];

/* Parses "mnist_fast" and the words up to NULL, and remembers them for the message of a failure. */
static mnist_fast_status parse(const char *const list[])
{
    static char texts[MAX_WORDS][128]; /* the parser may reorder the words, so it gets copies */
    char line[200] = "mnist_fast";
    int count = 0;
    words[count++] = strcpy(texts[0], "mnist_fast");
    for (; list[count - 1]; count++) {
        ck_assert_int_lt(count, MAX_WORDS);
        ck_assert_uint_lt(strlen(list[count - 1]), sizeof *texts);
        words[count] = strcpy(texts[count], list[count - 1]);
        const size_t length = strlen(line);
        snprintf(line + length, sizeof line - length, " '%s'", words[count]);
    }
    words[count] = NULL;
    support_case("%s", line);
    *error.text = '\0';
    return cli_options_parse(count, words, &options, &error);
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void expect_good(mnist_fast_status status)
{
    if (status != MNIST_FAST_OK)
        support_fail("refused: %s", error.text);
}

#define GOOD(...) expect_good(PARSE(__VA_ARGS__))

static void expect_bad(mnist_fast_status status, const char *says)
{
    if (status == MNIST_FAST_OK)
        support_fail("accepted");
    if (!strstr(error.text, says))
        support_fail("'%s' doesn't say '%s'", error.text, says);
    if (strchr(error.text, '\n') || strncmp(error.text, "mnist_fast", 10) == 0)
        support_fail("'%s' is not one line without the name of the program", error.text);
}

#define BAD(says, ...) expect_bad(PARSE(__VA_ARGS__), says)

static void clean(void)
{
    unsetenv("MNIST_FAST_ISA");
    unsetenv("MNIST_FAST_DATA");
    unsetenv("POSIXLY_CORRECT");
}

START_TEST(defaults)
{
    expect_good(parse((const char *const[]){NULL}));
    mnist_fast_config config;
    mnist_fast_default_config(&config, sizeof config);
    ck_assert_int_eq(options.command, CLI_COMMAND_TRAIN);
    ck_assert_int_eq(options.threads, 0);
    ck_assert_int_eq(options.epochs, 5);
    ck_assert_int_eq(options.checkpoint_every, 1);
    ck_assert_int_eq(options.operand_count, 0);
    ck_assert_int_eq(options.config.hidden_count, config.hidden_count);
    ck_assert_mem_eq(options.config.hidden, config.hidden, (size_t)config.hidden_count * sizeof(int));
    ck_assert_int_eq(options.config.batch_size, config.batch_size);
    ck_assert_int_eq(options.config.shuffle_buffer, config.shuffle_buffer);
    ck_assert(options.config.learning_rate == config.learning_rate);
    ck_assert(options.config.beta1 == config.beta1 && options.config.beta2 == config.beta2);
    ck_assert(options.config.epsilon == config.epsilon);
    ck_assert(options.config.validation_fraction == config.validation_fraction);
    ck_assert_uint_eq(options.config.seed, config.seed);
    ck_assert_ptr_null(options.isa);
    ck_assert_ptr_null(options.data);
    for (int i = 0; i < CLI_OPTIONS; i++)
        ck_assert_msg(!options.given[i], "--%s was not given", cli_option_table[i].name);
}
END_TEST

START_TEST(values)
{
    GOOD("--threads=16", "--isa", "scalar", "--data=x y", "--epochs", "7", "--batch", "97", "--lr=1e-2", "--seed", "0",
         "--validation=0");
    ck_assert_int_eq(options.threads, 16);
    ck_assert_str_eq(options.isa, "scalar");
    ck_assert_str_eq(options.data, "x y");
    ck_assert_int_eq(options.epochs, 7);
    ck_assert_int_eq(options.config.batch_size, 97);
    ck_assert(options.config.learning_rate == 1e-2f);
    ck_assert_uint_eq(options.config.seed, 0);
    ck_assert(options.config.validation_fraction == 0);
    for (int i = 0; i < CLI_OPTIONS; i++) {
        const bool expected = i == CLI_OPTION_THREADS || i == CLI_OPTION_ISA || i == CLI_OPTION_DATA ||
                              i == CLI_OPTION_EPOCHS || i == CLI_OPTION_BATCH || i == CLI_OPTION_LR ||
                              i == CLI_OPTION_SEED || i == CLI_OPTION_VALIDATION;
        ck_assert_msg(options.given[i] == expected, "--%s: given is %d", cli_option_table[i].name, options.given[i]);
    }

    GOOD("--shuffle-buffer", "1", "--save", "a", "--resume=b", "--force", "--checkpoint", "c", "--checkpoint-every=3",
         "--log", "d");
    ck_assert_int_eq(options.config.shuffle_buffer, 1);
    ck_assert_str_eq(options.save, "a");
    ck_assert_str_eq(options.resume, "b");
    ck_assert_str_eq(options.checkpoint, "c");
    ck_assert_str_eq(options.log, "d");
    ck_assert_int_eq(options.checkpoint_every, 3);
    ck_assert(options.force && !options.json && !options.quiet && !options.verbose && !options.profile);

    GOOD("--json", "--quiet", "--verbose", "--profile");
    ck_assert(options.json && options.quiet && options.verbose && options.profile && !options.force);
    GOOD("-qvt3", "-b", "5", "-e9", "-s", "18446744073709551615");
    ck_assert(options.quiet && options.verbose);
    ck_assert_int_eq(options.threads, 3);
    ck_assert_int_eq(options.config.batch_size, 5);
    ck_assert_int_eq(options.epochs, 9);
    ck_assert_uint_eq(options.config.seed, UINT64_MAX);
    GOOD("--epochs", "1", "--epochs", "2");
    ck_assert_int_eq(options.epochs, 2);
}
END_TEST

START_TEST(hidden)
{
    GOOD("--hidden", "37,501,3");
    ck_assert_int_eq(options.config.hidden_count, 3);
    ck_assert_int_eq(options.config.hidden[0], 37);
    ck_assert_int_eq(options.config.hidden[1], 501);
    ck_assert_int_eq(options.config.hidden[2], 3);
    GOOD("--hidden=1");
    ck_assert_int_eq(options.config.hidden_count, 1);
    GOOD("--hidden", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16384");
    ck_assert_int_eq(options.config.hidden_count, MNIST_FAST_MAX_HIDDEN);
    ck_assert_int_eq(options.config.hidden[15], 16384);
    static const char *const wrong[] = {"0",
                                        "5,,5",
                                        "",
                                        ",",
                                        "5,",
                                        ",5",
                                        "5,0",
                                        "5,-1",
                                        "5;5",
                                        "5 5",
                                        "abc",
                                        "5,5x",
                                        "16385",
                                        "99999999999999999999",
                                        "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        BAD("--hidden: expected 1 to 16 whole numbers from 1 to 16384", "--hidden", wrong[i]);
}
END_TEST

/* Every whole number is held to the range that the table, and with it the message, names. */
START_TEST(ranges)
{
    for (int i = 0; i < CLI_OPTIONS; i++) {
        const struct cli_option *option = &cli_option_table[i];
        if (option->type != CLI_TYPE_INT)
            continue;
        const char *extra = i == CLI_OPTION_CHECKPOINT_EVERY ? "--checkpoint=x" : "--quiet";
        const char *more = i == CLI_OPTION_MISTAKES ? "--model=x" : "--quiet";
        const char *command = i == CLI_OPTION_MISTAKES ? "evaluate" : "train";
        const long long tries[] = {
            option->low, option->high,   (long long)option->low - 1, (long long)option->high + 1, LLONG_MIN,
            LLONG_MAX,   (1LL << 32) + 1};
        for (size_t j = 0; j < sizeof tries / sizeof *tries; j++) {
            char word[80], range[80];
            snprintf(word, sizeof word, "--%s=%lld", option->name, tries[j]);
            snprintf(range, sizeof range, "--%s: expected a whole number from %d to %d, found '%lld'", option->name,
                     option->low, option->high, tries[j]);
            if (tries[j] < option->low || tries[j] > option->high) {
                BAD(range, command, word, extra, more);
                continue;
            }
            GOOD(command, word, extra, more);
            if (*(const int *)((const char *)&options + option->field) != tries[j])
                support_fail("another value was taken");
        }
        static const char *const wrong[] = {"abc",
                                            "",
                                            "16abc",
                                            "1.5",
                                            " 1",
                                            "1 ",
                                            "0x10",
                                            "1e3",
                                            "--",
                                            "+",
                                            "nan",
                                            "99999999999999999999",
                                            "-99999999999999999999"};
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++) {
            char word[80], says[80];
            snprintf(word, sizeof word, "--%s=%s", option->name, wrong[j]);
            snprintf(says, sizeof says, "found '%s'", wrong[j]);
            BAD(says, command, word, extra, more);
        }
    }
}
END_TEST

/* The numbers that the documentation promises, apart from the table. */
START_TEST(documented_limits)
{
    static const struct {
        const char *command, *option;
        long long low, high;
    } limits[] = {
        {"train", "threads", 0, 1024},        {"train", "epochs", 0, 1000000},
        {"train", "batch", 1, 1 << 20},       {"train", "warmup", 0, INT_MAX},
        {"train", "patience", 0, 1000000},    {"train", "shuffle-buffer", 1, INT_MAX},
        {"train", "hidden", 1, 16384},        {"train", "checkpoint-every", 1, 1000000},
        {"evaluate", "mistakes", 0, INT_MAX},
    };
    int whole = 0;
    for (int i = 0; i < CLI_OPTIONS; i++)
        whole += cli_option_table[i].type == CLI_TYPE_INT || cli_option_table[i].type == CLI_TYPE_LAYERS;
    ck_assert_int_eq(whole, sizeof limits / sizeof *limits);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        for (int side = 0; side < 4; side++) {
            const long long tries[] = {limits[i].low - 1, limits[i].low, limits[i].high, limits[i].high + 1};
            char word[80];
            snprintf(word, sizeof word, "--%s=%lld", limits[i].option, tries[side]);
            const char *const extra = strcmp(limits[i].command, "train") ? "--model=x" : "--checkpoint=x";
            if (side == 0 || side == 3)
                BAD("expected ", limits[i].command, word, extra);
            else
                GOOD(limits[i].command, word, extra);
        }
}
END_TEST

START_TEST(reals_and_seed)
{
    static const char *const rates[] = {"nan",  "inf",   "-inf", "-1",     "0",     "-0",   "",    "abc",
                                        "0.1x", "1e-60", "1e60", "1e-400", "1e400", " 0.1", "0,1", "infinity"};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        BAD("--lr: expected a number above 0", "--lr", rates[i]);
    static const char *const shares[] = {"1",   "nan",       "-nan", "inf",  "-0.1", "",
                                         "abc", "1.0000001", "10%",  " 0.1", "0,1"};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        BAD("--validation: expected a number from 0 to below 1", "--validation", shares[i]);
    static const char *const seeds[] = {"text", "-1", "", "1.5", "18446744073709551616", " 1", "1x", "0x1"};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        BAD("--seed: expected a whole number from 0 to 18446744073709551615", "--seed", seeds[i]);
    static const char *const decays[] = {"nan", "inf", "-1", "-1e-300", "", "abc", "0.1x", "1e400", " 0.1", "0,1"};
    for (size_t i = 0; i < sizeof decays / sizeof *decays; i++)
        BAD("--weight-decay: expected a number of at least 0", "--weight-decay", decays[i]);
    GOOD("--validation", "0.999", "--lr", ".5", "--weight-decay", "1e-4");
    ck_assert(options.config.weight_decay == 1e-4);
    ck_assert(options.config.validation_fraction == 0.999 && options.config.learning_rate == 0.5f);
}
END_TEST

START_TEST(precision)
{
    static const char *const wrong[] = {"", "bf1", "bf16 ", "BF16", "0", "1", "fp16"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        BAD("--precision: expected fp32 or bf16", "--precision", wrong[i]);
    GOOD("--precision", "bf16");
    ck_assert(options.config.precision == MNIST_FAST_BF16);
    GOOD("info", "--precision", "bf16");
    GOOD("--precision", "fp32");
    ck_assert(options.config.precision == MNIST_FAST_FP32);
    ck_assert_str_eq(cli_precision_name(MNIST_FAST_BF16), "bf16");
}
END_TEST

START_TEST(schedule)
{
    static const char *const wrong[] = {"", "cosin", "cosine ", "Cosine", "0", "1", "linear"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        BAD("--schedule: expected constant or cosine", "--schedule", wrong[i]);
    GOOD("--schedule", "cosine");
    ck_assert(options.config.schedule == MNIST_FAST_COSINE && options.config.schedule_epochs == 5);
    GOOD("--epochs", "7", "--schedule", "cosine", "--warmup", "3");
    ck_assert(options.config.schedule_epochs == 7 && options.config.warmup_steps == 3);
    GOOD("--schedule", "constant");
    ck_assert(options.config.schedule == MNIST_FAST_CONSTANT && options.config.schedule_epochs == 0);
    BAD("--schedule cosine: --epochs must be at least 1", "--schedule", "cosine", "--epochs", "0");
    BAD("--patience has no meaning without images to validate on", "--patience", "3", "--validation", "0");
    GOOD("--patience", "0", "--validation", "0");
}
END_TEST

START_TEST(augment)
{
    static const char *const wrong[] = {"",
                                        "rotation",
                                        "rotation=",
                                        "rotation=x",
                                        "rotation=-1",
                                        "rotation=nan",
                                        "rotation=inf",
                                        "rotation=0.1,",
                                        ",shift=1",
                                        "rotation=0.1;shift=1",
                                        "rotations=0.1",
                                        "rotation =0.1",
                                        "rotation= 0.1",
                                        "shift=1e400",
                                        "turn=1",
                                        "elastic",
                                        "rotation=1.1",
                                        "shear=1.1",
                                        "scale=0.51",
                                        "shift=28.1",
                                        "elastic=28.1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        BAD("--augment: expected NAME=X,... of rotation (0 to 1), shear (0 to 1), scale (0 to 0.5), shift (0 to 28), "
            "elastic (0 to 28)",
            "--augment", wrong[i]);
    const mnist_fast_config *config = &options.config;
    char text[128];
    GOOD("--augment", "elastic=4,rotation=0.25,shift=1.5");
    ck_assert(config->rotation == 0.25 && config->shear == 0 && config->scale == 0 && config->shift == 1.5 &&
              config->elastic == 4);
    ck_assert_str_eq(cli_augment_text(config, text, sizeof text), "rotation=0.25,shift=1.5,elastic=4");
    GOOD("--augment", "shear=1,scale=.5", "--augment", "scale=0.1");
    ck_assert(config->shear == 0 && config->scale == 0.1);
    GOOD("--augment", "shear=0");
    ck_assert_ptr_null(cli_augment_text(config, text, sizeof text));
    BAD("--augment-preview has no meaning without --augment", "--augment-preview", "a.png");
    BAD("--augment-preview has no meaning without --augment", "--augment-preview", "a.png", "--augment", "shift=0");
    GOOD("--augment-preview", "a.png", "--augment", "shift=1");
    ck_assert_str_eq(options.augment_preview, "a.png");
    GOOD("--augment-preview", "a.png", "--resume", "r"); /* the checkpoint says how images are deformed */
}
END_TEST

/* What the command line says stands; the recipe says the rest. */
START_TEST(recipe)
{
    GOOD("--recipe", "none");
    ck_assert(options.epochs == 5 && !options.given[CLI_OPTION_EPOCHS]);
    BAD("--recipe: expected none or best", "--recipe", "worst");
    GOOD("--recipe", "best");
    const mnist_fast_config *config = &options.config;
    const mnist_fast_config best = *config;
    const int epochs = options.epochs;
    ck_assert(epochs > 5 && config->schedule == MNIST_FAST_COSINE && config->schedule_epochs == epochs);
    ck_assert(config->rotation > 0 && config->scale > 0 && config->shift > 0 && config->elastic > 0);
    ck_assert(config->validation_fraction == 0 && options.given[CLI_OPTION_VALIDATION]);
    GOOD("--validation", "0.1", "--recipe", "best", "--augment", "shift=2", "--seed", "7");
    ck_assert(config->validation_fraction == 0.1 && config->shift == 2 && config->rotation == 0 && config->seed == 7);
    ck_assert(options.epochs == epochs && config->learning_rate == best.learning_rate);
    GOOD("--epochs", "9", "--recipe=best");
    ck_assert(options.epochs == 9 && config->schedule_epochs == 9 && config->elastic == best.elastic);
}
END_TEST

START_TEST(wrong_usage)
{
    BAD("--nonsense: there is no such option", "--nonsense");
    BAD("--nonsense=3: there is no such option", "--quiet", "--nonsense=3", "--json");
    BAD("-x: there is no such option", "-x");
    BAD("-x: there is no such option", "-qx");
    BAD("--check: there is no such option, or more than one", "--check", "x");
    BAD("--threads: N is missing", "--threads");
    BAD("--threads: N is missing", "-t");
    BAD("--save: FILE is missing", "--epochs", "3", "--save");
    BAD("--quiet takes no value", "--quiet=yes");
    BAD("--save: expected a name", "--save", "");
    BAD("--data: expected a folder", "--data=");
    BAD("'extra': there is no such command", "extra");
    BAD("'': there is no such command", "");
    BAD("'extra': train takes no operand", "train", "extra");
    BAD("'train': train takes no operand", "train", "train");
    BAD("'test:1': evaluate takes no operand", "evaluate", "--model", "m", "test:1");
    BAD("'x': info takes no operand", "info", "x");
    BAD("evaluate: --model FILE is missing", "evaluate");
    BAD("predict: --model FILE is missing", "predict", "test:1");
    BAD("predict: a picture is missing", "predict", "--model", "m");
    BAD("--epochs has no meaning for evaluate", "evaluate", "--model", "m", "--epochs", "3");
    BAD("--model has no meaning for train", "--model", "m");
    BAD("--show has no meaning for train", "--show");
    BAD("--data has no meaning for info", "info", "--data", "x");
    BAD("--force has no meaning without --resume", "--force");
    BAD("--checkpoint-every has no meaning without --checkpoint", "--checkpoint-every", "2");
    BAD("--mistakes has no meaning for train", "--mistakes", "2");
    BAD("--csv and --json exclude each other", "evaluate", "--model", "m", "--csv", "--json");
    BAD("--show has no meaning without --mistakes", "evaluate", "--model", "m", "--show");
    BAD("--show has no meaning with --csv", "predict", "--model", "m", "test:1", "--show", "--csv");
    BAD("--show has no meaning with --json", "predict", "--model", "m", "test:1", "--show", "--json");
    BAD("--dump-input: expected one picture, found 2", "predict", "--model", "m", "--dump-input", "d", "a", "b");
    BAD("expected one --model FILE, found 2", "predict", "--model", "m", "-m", "n", "test:1");
    BAD("--min-accuracy: expected a number from 0 to 1, found '1.1'", "--min-accuracy", "1.1");
    BAD("--validation: expected a number from 0 to below 1, found '1'", "--validation", "1");
}
END_TEST

START_TEST(commands_and_operands)
{
    GOOD("train", "--epochs", "3");
    ck_assert_int_eq(options.command, CLI_COMMAND_TRAIN);
    GOOD("--threads", "2", "info");
    ck_assert_int_eq(options.command, CLI_COMMAND_INFO);
    ck_assert_int_eq(options.threads, 2);
    GOOD("evaluate", "--model=m");
    ck_assert_int_eq(options.command, CLI_COMMAND_EVALUATE);
    ck_assert_int_eq(options.models.count, 1);
    ck_assert_str_eq(options.models.text[0], "m");
    GOOD("evaluate", "--model=m", "--json", "--model", "n", "--min-accuracy", "1", "--mistakes=7");
    ck_assert_int_eq(options.models.count, 2);
    ck_assert_str_eq(options.models.text[1], "n");
    ck_assert(options.min_accuracy == 1 && options.mistakes == 7 && options.json);
    for (int strict = 0; strict < 2; strict++) {
        GOOD("-q", "predict", "test:1", "--model", "m", "test:2", "--show", "--", "--json", "-");
        ck_assert_int_eq(options.command, CLI_COMMAND_PREDICT);
        ck_assert_int_eq(options.operand_count, 4);
        ck_assert_str_eq(options.operands[0], "test:1");
        ck_assert_str_eq(options.operands[1], "test:2");
        ck_assert_str_eq(options.operands[2], "--json");
        ck_assert_str_eq(options.operands[3], "-");
        ck_assert(options.show && options.quiet && !options.json);
        setenv("POSIXLY_CORRECT", "1", 1); /* doesn't end options at the first operand: the command is one */
    }
    GOOD("predict", "--model", "m", "--dump-input", "d", "a");
    ck_assert_str_eq(options.dump_input, "d");
    GOOD("--", "info");
    ck_assert_int_eq(options.command, CLI_COMMAND_INFO);
    /* No program name at all, as execve allows. */
    ck_assert_int_eq(cli_options_parse(0, (char *[]){NULL}, &options, &error), MNIST_FAST_OK);
    ck_assert_int_eq(options.command, CLI_COMMAND_TRAIN);
}
END_TEST

START_TEST(help_and_version_come_first)
{
    setenv("MNIST_FAST_ISA", "nonsense", 1);
    GOOD("--help");
    ck_assert(options.help && !options.version);
    GOOD("-V", "--nonsense");
    ck_assert(options.version && !options.help);
    GOOD("predict", "extra", "--isa", "nonsense", "-h", "--threads", "abc");
    ck_assert(options.help);
}
END_TEST

START_TEST(environment)
{
    setenv("MNIST_FAST_DATA", "", 1);
    expect_good(parse((const char *const[]){NULL}));
    ck_assert_ptr_null(options.data);
    setenv("MNIST_FAST_DATA", "there", 1);
    setenv("MNIST_FAST_ISA", "nonsense", 1); /* the library's business, where no --isa is given */
    expect_good(parse((const char *const[]){NULL}));
    ck_assert_ptr_null(options.isa);
    ck_assert_str_eq(options.data, "there");
    ck_assert(!options.given[CLI_OPTION_ISA] && !options.given[CLI_OPTION_DATA]);
    GOOD("--data", "here");
    ck_assert_str_eq(options.data, "here");
    GOOD("--isa", "scalar");
    ck_assert_str_eq(options.isa, "scalar");
    ck_assert_str_eq(options.data, "there");
    BAD("--isa: expected a name", "--isa", "");
}
END_TEST

/* Up to two wrong letters find the option that was meant. */
START_TEST(suggestions)
{
    static const char *const wrong[][2] = {
        {"--epohcs", "epochs"}, {"--epocs", "epochs"}, {"--treads=3", "threads"},
        {"--sve", "save"},      {"--quiett", "quiet"}, {"--chekcpoint", "checkpoint"},
        {"--isaa", "isa"},      {"--lrr=1", "lr"},     {"--shufle-bufer", "shuffle-buffer"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char says[160];
        snprintf(says, sizeof says, "%s: there is no such option; did you mean --%s?", wrong[i][0], wrong[i][1]);
        BAD(says, wrong[i][0]);
    }
    static const char *const strange[] = {"--nonsense", "--xy", "--epo hcs are",
                                          "--a-word-that-is-longer-than-any-option"};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        BAD("there is no such option", strange[i]);
        if (strstr(error.text, "did you mean"))
            support_fail("'%s' is a strange suggestion", error.text);
    }
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("options");
    TCase *tcase = tcase_create("options");
    tcase_add_checked_fixture(tcase, clean, NULL);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, defaults);
    tcase_add_test(tcase, values);
    tcase_add_test(tcase, hidden);
    tcase_add_test(tcase, ranges);
    tcase_add_test(tcase, documented_limits);
    tcase_add_test(tcase, reals_and_seed);
    tcase_add_test(tcase, precision);
    tcase_add_test(tcase, schedule);
    tcase_add_test(tcase, augment);
    tcase_add_test(tcase, recipe);
    tcase_add_test(tcase, wrong_usage);
    tcase_add_test(tcase, commands_and_operands);
    tcase_add_test(tcase, help_and_version_come_first);
    tcase_add_test(tcase, environment);
    tcase_add_test(tcase, suggestions);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
