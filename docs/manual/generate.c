/* Fills the manual page and the completions of shells from the tables of commands and options: generate <TEMPLATE
 *
 * Each @NAME@ of the template is replaced by what the part of that name writes; parts of many lines stand alone on a
 * line. */
#include "cli/options.h"

#include <stdlib.h>
#include <string.h>

/* Writes text with a backslash before each of the characters `special`, and a space for each line break. */
static void put_escaped(const char *text, const char *special)
{
    for (; *text; text++) {
        if (strchr(special, *text))
            putchar('\\');
        putchar(*text == '\n' ? ' ' : *text);
    }
}

/* troff breaks words at a plain hyphen, and shows it as another character than an option has. */
static void put_roff(const char *text)
{
    put_escaped(text, "\\-");
}

static bool has_option(int command, const struct cli_option *option)
{
    return option->commands >> command & 1;
}

/* What a value of an option is, for completions. */
enum value { NO_VALUE, SOME_WORD, NAMED_CHOICE, INSTRUCTION_SET, A_FOLDER, A_FILE };

static enum value value_of(int id)
{
    const struct cli_option *option = &cli_option_table[id];
    if (id == CLI_OPTION_ISA)
        return INSTRUCTION_SET;
    if (option->type == CLI_TYPE_FLAG)
        return NO_VALUE;
    if (option->type == CLI_TYPE_CHOICE)
        return NAMED_CHOICE;
    if (option->type != CLI_TYPE_TEXT && option->type != CLI_TYPE_TEXTS)
        return SOME_WORD;
    return strcmp(option->argument, "DIR") == 0 ? A_FOLDER : A_FILE;
}

/* The words that a value is chosen from, separated by spaces. */
static void put_choices(int id)
{
    const bool isa = value_of(id) == INSTRUCTION_SET;
    for (int i = 0;; i++) {
        const char *choice = isa ? mnist_fast_isa_name(i) : cli_option_table[id].choices[i];
        if (!choice)
            return;
        printf("%s%s", i ? " " : "", choice);
    }
}

/* The manual page */

static void man_synopsis(void)
{
    for (int i = 0; i < CLI_COMMANDS; i++) {
        printf("\\fBmnist_fast\\fR ");
        put_roff(cli_command_table[i].usage);
        putchar('\n');
    }
}

static void man_commands(void)
{
    for (int i = 0; i < CLI_COMMANDS; i++) {
        printf(".TP\n.B %s\n", cli_command_table[i].name);
        put_roff(cli_command_table[i].help);
        putchar('\n');
    }
}

static void man_option(const struct cli_option *option, const struct cli_options *defaults)
{
    char text[128];
    printf(".TP\n");
    if (option->letter)
        printf("\\fB\\-%c\\fR, ", option->letter);
    printf("\\fB\\-\\-");
    put_roff(option->name);
    printf("\\fR");
    if (option->argument)
        printf(" \\fI%s\\fR", option->argument);
    putchar('\n');
    put_roff(option->help);
    const char *value = cli_option_value(option, defaults, text, sizeof text);
    if (value)
        printf(" (default %s)", value);
    putchar('\n');
    if (option->type != CLI_TYPE_FLAG && option->type != CLI_TYPE_TEXT && option->type != CLI_TYPE_TEXTS) {
        cli_option_expected(option, text, sizeof text);
        printf(".br\nValue: %s.\n", text);
    }
}

static void man_options(void)
{
    struct cli_options defaults;
    cli_options_set_defaults(&defaults);
    for (int group = 0; group < CLI_OPTION_GROUPS; group++) {
        printf(".SS %s\n", cli_option_groups[group].title);
        for (int i = 0; i < CLI_OPTIONS; i++)
            if (cli_option_table[i].commands == cli_option_groups[group].commands)
                man_option(&cli_option_table[i], &defaults);
    }
}

/* bash */

static void bash_options(void)
{
    for (int command = 0; command < CLI_COMMANDS; command++) {
        printf("    %s) options='", cli_command_table[command].name);
        const char *space = "";
        for (int i = 0; i < CLI_OPTIONS; i++) {
            const struct cli_option *option = &cli_option_table[i];
            if (!has_option(command, option))
                continue;
            printf("%s--%s", space, option->name);
            space = " ";
            if (option->letter)
                printf(" -%c", option->letter);
        }
        printf("' ;;\n");
    }
}

static void bash_values(void)
{
    for (int i = 0; i < CLI_OPTIONS; i++) {
        const struct cli_option *option = &cli_option_table[i];
        if (value_of(i) == NO_VALUE)
            continue;
        printf("    --%s", option->name);
        if (option->letter)
            printf(" | -%c", option->letter);
        printf(") ");
        switch (value_of(i)) {
        case A_FILE: printf("compopt -o default"); break;
        case A_FOLDER: printf("compopt -o dirnames"); break;
        case NAMED_CHOICE:
        case INSTRUCTION_SET:
            printf("words='");
            put_choices(i);
            printf("'");
            break;
        case SOME_WORD:
        case NO_VALUE: printf(":"); break;
        }
        printf(" ;;\n");
    }
}

/* zsh */

static void zsh_commands(void)
{
    for (int i = 0; i < CLI_COMMANDS; i++) {
        printf("        \"%s:", cli_command_table[i].name);
        put_escaped(cli_command_table[i].help, "\"$`\\");
        printf("\"\n");
    }
}

static void zsh_option(int id)
{
    const struct cli_option *option = &cli_option_table[id];
    const enum value value = value_of(id);
    printf("            ");
    if (option->type == CLI_TYPE_TEXTS)
        printf("'*'");
    else if (option->letter)
        printf("'(-%c --%s)'", option->letter, option->name);
    const char *const takes = value ? "=" : "";
    if (option->letter)
        printf("{-%c%s,--%s%s}", option->letter, value ? "+" : "", option->name, takes);
    else
        printf("--%s%s", option->name, takes);
    printf("\"[");
    put_escaped(option->help, "]:\"$`\\");
    printf("]");
    if (value)
        printf(":%s:", option->argument);
    switch (value) {
    case A_FILE: printf("_files"); break;
    case A_FOLDER: printf("_files -/"); break;
    case NAMED_CHOICE:
    case INSTRUCTION_SET:
        printf("(");
        put_choices(id);
        printf(")");
        break;
    case SOME_WORD: printf(" "); break;
    case NO_VALUE: break;
    }
    printf("\"\n");
}

static void zsh_options(void)
{
    for (int command = 0; command < CLI_COMMANDS; command++) {
        printf("    %s)\n        options=(\n", cli_command_table[command].name);
        for (int i = 0; i < CLI_OPTIONS; i++)
            if (has_option(command, &cli_option_table[i]))
                zsh_option(i);
        printf("        )\n        ;;\n");
    }
}

/* fish */

static void fish_options(void)
{
    for (int i = 0; i < CLI_COMMANDS; i++) {
        printf("complete -c mnist_fast -n 'not __mnist_fast_command >/dev/null' -a %s -d '", cli_command_table[i].name);
        put_escaped(cli_command_table[i].help, "\\'");
        printf("'\n");
    }
    for (int i = 0; i < CLI_OPTIONS; i++) {
        const struct cli_option *option = &cli_option_table[i];
        printf("complete -c mnist_fast -n '__mnist_fast_is");
        for (int command = 0; command < CLI_COMMANDS; command++)
            if (has_option(command, option))
                printf(" %s", cli_command_table[command].name);
        printf("'");
        if (option->letter)
            printf(" -s %c", option->letter);
        printf(" -l %s", option->name);
        switch (value_of(i)) {
        case A_FILE: printf(" -r -F"); break;
        case A_FOLDER: printf(" -x -a '(__fish_complete_directories)'"); break;
        case NAMED_CHOICE:
        case INSTRUCTION_SET:
            printf(" -x -a '");
            put_choices(i);
            printf("'");
            break;
        case SOME_WORD: printf(" -x"); break;
        case NO_VALUE: break;
        }
        printf(" -d '");
        put_escaped(option->help, "\\'");
        printf("'\n");
    }
}

static void put_version(void)
{
    fputs(mnist_fast_version(), stdout);
}

static void put_commands(void)
{
    for (int i = 0; i < CLI_COMMANDS; i++)
        printf("%s%s", i ? " " : "", cli_command_table[i].name);
}

/* False: there is no part of that name. */
static bool put_part(const char *name, size_t length)
{
    static const struct {
        const char *name;
        void (*put)(void);
    } parts[] = {
        {"man-synopsis", man_synopsis}, {"man-commands", man_commands}, {"man-options", man_options},
        {"bash-options", bash_options}, {"bash-values", bash_values},   {"zsh-commands", zsh_commands},
        {"zsh-options", zsh_options},   {"fish-options", fish_options}, {"version", put_version},
        {"commands", put_commands},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strncmp(name, parts[i].name, length) == 0 && !parts[i].name[length]) {
            parts[i].put();
            return true;
        }
    return false;
}

int main(void)
{
    char line[256];
    while (fgets(line, sizeof line, stdin))
        for (const char *text = line; *text;) {
            const size_t length = *text == '@' ? strspn(text + 1, "abcdefghijklmnopqrstuvwxyz-") : 0;
            if (length == 0 || text[length + 1] != '@') {
                putchar(*text++);
                continue;
            }
            if (!put_part(text + 1, length)) {
                fprintf(stderr, "generate: there is no part of this name: %s", line);
                return EXIT_FAILURE;
            }
            text += length + 2;
            if (text == line + length + 2 && *text == '\n') /* the part has ended its own lines */
                text++;
        }
    return ferror(stdin) || fflush(stdout) || ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
