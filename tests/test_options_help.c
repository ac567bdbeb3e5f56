/* --help names every option with its default, and nothing twice. */
#include "cli/options.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As --help should show them; what is not named has none. */
static const struct {
    enum cli_option_id id;
    const char *text;
} shown_defaults[] = {
    {CLI_OPTION_THREADS, "0"},          {CLI_OPTION_EPOCHS, "5"},
    {CLI_OPTION_BATCH, "1000"},         {CLI_OPTION_HIDDEN, "500,500,500"},
    {CLI_OPTION_LR, "0.001"},           {CLI_OPTION_SEED, "1"},
    {CLI_OPTION_VALIDATION, "0.1"},     {CLI_OPTION_SHUFFLE_BUFFER, "10000"},
    {CLI_OPTION_CHECKPOINT_EVERY, "1"}, {CLI_OPTION_MISTAKES, "0"},
    {CLI_OPTION_MIN_ACCURACY, "0"},     {CLI_OPTION_SCHEDULE, "constant"},
    {CLI_OPTION_WARMUP, "0"},           {CLI_OPTION_WEIGHT_DECAY, "0"},
    {CLI_OPTION_PATIENCE, "0"},         {CLI_OPTION_INVERT, "auto"},
    {CLI_OPTION_PRECISION, "fp32"},     {CLI_OPTION_RECIPE, "none"},
};

static const char *shown_default(int id)
{
    for (size_t i = 0; i < sizeof shown_defaults / sizeof *shown_defaults; i++)
        if ((int)shown_defaults[i].id == id)
            return shown_defaults[i].text;
    return NULL;
}

START_TEST(help_names_everything)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    cli_options_help(file);
    fclose(file);
    const char *table = strstr(text, "\nOptions of "); /* the lines before it have examples */
    ck_assert_ptr_nonnull(table);
    for (int i = 0; i < CLI_OPTIONS; i++) {
        const struct cli_option *option = &cli_option_table[i];
        char word[80], letter[8] = "   ", preset[80] = "", ending[200];
        snprintf(word, sizeof word, " --%s%s%s ", option->name, option->argument ? " " : "",
                 option->argument ? option->argument : "");
        const char *line = strstr(table, word);
        ck_assert_msg(line, "--%s is not in --help", option->name);
        ck_assert_msg(!strstr(line + 1, word), "--%s is in --help twice", option->name);
        if (option->letter)
            snprintf(letter, sizeof letter, "-%c,", option->letter);
        ck_assert_msg(strncmp(line - 3, letter, 3) == 0, "--%s is not shown with '%s'", option->name, letter);
        if (shown_default(i))
            snprintf(preset, sizeof preset, " (default %s)", shown_default(i));
        snprintf(ending, sizeof ending, "%s%s\n", option->help, preset);
        const char *end = strchr(line, '\n');
        ck_assert_msg(strstr(line, ending) == end + 1 - strlen(ending), "--%s does not end in '%s'", option->name,
                      ending);
        for (int j = 0; j < i; j++)
            ck_assert_msg(strcmp(option->name, cli_option_table[j].name) != 0 &&
                              (!option->letter || option->letter != cli_option_table[j].letter),
                          "--%s is there twice", option->name);
    }
    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        ck_assert_msg(strcspn(line, "\n") <= 100, "a line of --help is too wide: %.60s", line);
    for (int i = 0; i < CLI_COMMANDS; i++)
        ck_assert_msg(strstr(text, cli_command_name((enum cli_command)i)), "%s is not in --help",
                      cli_command_name((enum cli_command)i));
    free(text);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *const suite = suite_create("options_help");
    TCase *const tcase = tcase_create("options_help");
    tcase_add_test(tcase, help_names_everything);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
