#include "report_metadata.h"

#include "data_folder.h"
#include "html.h"
#include "session.h"

#include <string.h>

/* A word of a command line as a shell reads it. */
static void write_word(FILE *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    if (*word && strspn(word, plain) == strlen(word)) {
        cli_html_print(out, "%s", word);
        return;
    }
    char quoted[8192] = "'";
    size_t length = 1;
    for (; *word && length + 6 < sizeof quoted; word++)
        length += (size_t)sprintf(quoted + length, *word == '\'' ? "'\\''" : "%c", *word);
    cli_html_print(out, "%s'", quoted);
}

/* From the system, because getopt has put argv in another order. */
static void write_command_line(FILE *out)
{
    FILE *file = fopen("/proc/self/cmdline", "re");
    if (!file)
        return;
    fputs("<pre><code>", out);
    char word[8192];
    size_t length = 0;
    bool first = true;
    for (int c; (c = getc(file)) != EOF;) {
        if (length + 1 < sizeof word || c == '\0')
            word[length++] = (char)c;
        if (c != '\0')
            continue;
        fputs(first ? "" : " ", out);
        write_word(out, word);
        first = false;
        length = 0;
    }
    fputs("</code></pre>\n", out);
    fclose(file);
}

/* x86 names its CPUs here; other machines have no such line. */
static void write_cpu(FILE *out)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        cli_html_row(out, "CPU", "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    if (file)
        fclose(file);
}

static void write_machine(FILE *out, const struct cli_report *r)
{
    char threads[160];
    cli_describe_threads(threads, sizeof threads);
    cli_html_row(out, "Program", "mnist_fast %s, built by %s", mnist_fast_version(), cli_compiler);
    cli_html_row(out, "Instruction set", "%s", mnist_fast_isa(r->networks[0]));
    cli_html_row(out, "Threads", "%d (%s)", mnist_fast_threads(r->networks[0]), threads);
    write_cpu(out);
}

static void write_data(FILE *out, const struct cli_report *r)
{
    cli_html_row(out, "Data", "%s", cli_data_folder(r->options));
    if (r->train)
        cli_html_row(out, "Training images", "%zu to train, %zu to validate; crc32 %08x", r->train_count,
                     r->validation_count, mnist_fast_images_crc32(r->train));
    cli_html_row(out, "Test images", "%zu; crc32 %08x", r->test->count, mnist_fast_images_crc32(r->test));
}

static void write_networks(FILE *out, const struct cli_report *r)
{
    for (int i = 0; i < r->network_count; i++) {
        const mnist_fast *network = r->networks[i];
        mnist_fast_config config;
        mnist_fast_get_config(network, &config, sizeof config);
        const int epochs = mnist_fast_get_position(network).epoch;
        char layers[128];
        cli_describe_network(&config, layers, sizeof layers);
        if (!r->train)
            cli_html_row(out, "Model", "%s", r->options->models.text[i]);
        cli_html_row(out, "Network", "%s, %zu parameters, trained for %d epoch%s", layers,
                     mnist_fast_parameter_count(network), epochs, epochs == 1 ? "" : "s");
        const int best = mnist_fast_best_epoch(network, NULL);
        if (best)
            cli_html_row(out, "Weights of", "epoch %d, which had the least validation loss", best);
        cli_html_row(out, "Weights", "crc32 %08x", mnist_fast_weights_crc32(network));
    }
}

static const char *where_from(const struct cli_options *options, const struct cli_option *option)
{
    const size_t config = offsetof(struct cli_options, config);
    if (options->given[option - cli_option_table])
        return "given";
    return options->resume && option->field >= config && option->field < config + sizeof options->config
               ? "from the checkpoint"
               : "default";
}

static void write_options(FILE *out, const struct cli_options *options)
{
    fputs("<div class=\"scroll\"><table class=\"metadata\">\n<caption>Options</caption>\n<tbody>\n", out);
    for (int i = 0; i < CLI_OPTIONS; i++) {
        const struct cli_option *option = &cli_option_table[i];
        char name[64], buffer[128];
        const char *value = option->type == CLI_TYPE_FLAG && options->given[i]
                                ? "on"
                                : cli_option_value(option, options, buffer, sizeof buffer);
        snprintf(name, sizeof name, "--%s", option->name);
        if (value && option->commands & 1u << options->command)
            cli_html_row(out, name, "%s (%s)", value, where_from(options, option));
    }
    fputs("</tbody>\n</table></div>\n", out);
}

void cli_report_metadata(FILE *out, const struct cli_report *r)
{
    fputs("<section aria-labelledby=\"repeat\">\n<h2 id=\"repeat\">To repeat it</h2>\n<p>One seed gives one model: the "
          "same weights on every instruction set and with every number of threads.</p>\n",
          out);
    write_command_line(out);
    fputs("<div class=\"scroll\"><table class=\"metadata\">\n<caption>Program, data and result</caption>\n<tbody>\n",
          out);
    write_machine(out, r);
    write_data(out, r);
    write_networks(out, r);
    fputs("</tbody>\n</table></div>\n", out);
    write_options(out, r->options);
    fputs("</section>\n", out);
}
