/* The program: a client of mnist_fast.h, and the only place that prints and exits. */
#include "commands.h"
#include "program.h"
#include "session.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    cli_start();
    struct cli_options options;
    mnist_fast_error error;
    mnist_fast_status status = cli_options_parse(argc, argv, &options, &error);
    if (!status && options.help) {
        cli_options_help(stdout);
        return cli_close_output(CLI_DONE);
    }
    if (!status && options.version) {
        cli_version();
        return cli_close_output(CLI_DONE);
    }
    if (!status) {
        const mnist_fast_runtime runtime = cli_runtime(&options);
        status = mnist_fast_check_runtime(&runtime, &error);
    }
    if (status) {
        cli_message("%s", error.text);
        fprintf(stderr, "Try 'mnist_fast --help'\n");
        return CLI_USAGE;
    }
    static int (*const commands[CLI_COMMANDS])(const struct cli_options *) = {cli_train,  cli_evaluate, cli_predict,
                                                                              cli_export, cli_info,     cli_selftest};
    return cli_close_output(commands[options.command](&options));
}
