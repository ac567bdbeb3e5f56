/* `mnist_fast selftest`. */
#include "commands.h"
#include "program.h"

#include <stdio.h>

static void print_result(const mnist_fast_selftest_result *result, void *user)
{
    (void)user;
    char where[32] = "all threads";
    if (result->processor >= 0)
        snprintf(where, sizeof where, "processor %d", result->processor);
    printf("%-12s %-14s %s%s\n", result->isa, where, result->problem ? "FAILED: " : "ok",
           result->problem ? result->problem : "");
    fflush(stdout);
}

int cli_selftest(const struct cli_options *options)
{
    (void)options;
    mnist_fast_error error;
    return mnist_fast_selftest(print_result, NULL, &error) ? cli_failed(&error) : CLI_DONE;
}
