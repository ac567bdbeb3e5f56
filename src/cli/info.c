/* `mnist_fast info` and `mnist_fast --version`. */
#include "commands.h"
#include "program.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>

/* What would compute, and what decided it. */
static const char *chosen_isa(const struct cli_options *options, const char **why)
{
    const char *environment = getenv("MNIST_FAST_ISA");
    *why = "--isa";
    if (options->isa)
        return options->isa;
    *why = "MNIST_FAST_ISA";
    if (environment && *environment)
        return environment;
    *why = "the best that runs here";
    return mnist_fast_isa_choice(options->config.precision);
}

void cli_version(void)
{
    char built[64];
    const char *why;
    cli_list_isas(built, sizeof built, false);
    printf("mnist_fast %s\n", mnist_fast_version());
    printf("Copyright (c) 2026 The mnist_fast authors. Licence: MIT. There is no warranty.\n");
    printf("Built by %s, OpenMP %d, for %s; %s is chosen here.\n", cli_compiler, _OPENMP, built,
           chosen_isa(&(struct cli_options){0}, &why));
}

int cli_info(const struct cli_options *options)
{
    char built[64], runs[64], threads[160], text[160];
    const char *why;
    mnist_fast_cpu cpu;
    mnist_fast_get_cpu(&cpu, sizeof cpu);
    cli_list_isas(built, sizeof built, false);
    cli_list_isas(runs, sizeof runs, true);
    cli_describe_threads(threads, sizeof threads);
    printf("version    %s\n", mnist_fast_version());
    printf("compiler   %s\n", cli_compiler);
    printf("OpenMP     %d\n", _OPENMP);
    printf("built in   %s\n", built);
    printf("runs here  %s\n", runs);
    const char *isa = chosen_isa(options, &why);
    printf("choice     %s (%s)\n", isa, why);
    const char *const amx = mnist_fast_isa_problem("amx"), *const dot = mnist_fast_isa_problem("avx512bf16");
    printf("in bf16    %s (amx: %s; avx512bf16: %s)\n", options->isa ? isa : mnist_fast_isa_choice(MNIST_FAST_BF16),
           amx ? amx : "it runs here", dot ? dot : "it runs here");
    if (options->threads > 0)
        printf("threads    %d (--threads; %s)\n", options->threads, threads);
    else
        printf("threads    %d (%s)\n", cpu.default_threads, threads);
    cli_describe_caches(text, sizeof text);
    printf("caches     %s\n", text);

    mnist_fast *network;
    mnist_fast_config config;
    mnist_fast_error error;
    const mnist_fast_runtime runtime = cli_runtime(options);
    mnist_fast_default_config(&config, sizeof config);
    config.precision = options->config.precision;
    if (mnist_fast_create(&config, &runtime, &network, &error))
        return cli_failed(&error);
    cli_describe_blocking(network, text, sizeof text);
    printf("blocks     %s\n", text);
    mnist_fast_free(network);
    return 0;
}
