#include "options.h"

#include <string.h>

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
            fprintf(file, "  %c%c%c %-22s %s", option->letter ? '-' : ' ', option->letter ? option->letter : ' ',
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
