#include "options.h"

#include "program.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Of a deformation, in the order of the members of mnist_fast_config. */
static const struct {
    const char *name;
    double most;
} strengths[] = {
    {"rotation", MNIST_FAST_MAX_ROTATION}, {"shear", MNIST_FAST_MAX_SHEAR},     {"scale", MNIST_FAST_MAX_SCALE},
    {"shift", MNIST_FAST_MAX_SHIFT},       {"elastic", MNIST_FAST_MAX_ELASTIC},
};
enum { STRENGTHS = sizeof strengths / sizeof *strengths };
_Static_assert(offsetof(mnist_fast_config, elastic) ==
                   offsetof(mnist_fast_config, rotation) + (STRENGTHS - 1) * sizeof(double),
               "the strengths stand side by side");

/* strtol and strtod skip leading spaces, and strtoull reads "-1" as the largest number: both are refused here. */
static bool starts_number(const char *text)
{
    return (*text >= '0' && *text <= '9') || *text == '.' || *text == '+' || *text == '-';
}

static bool read_int(const char *text, char end_mark, int low, int high, int *value, char **end)
{
    errno = 0;
    const long number = strtol(text, end, 10);
    if (!starts_number(text) || *end == text || (**end && **end != end_mark) || errno || number < low || number > high)
        return false;
    *value = (int)number;
    return true;
}

static bool read_seed(const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return starts_number(text) && *text != '-' && end != text && !*end && !errno;
}

static bool read_double(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return starts_number(text) && end != text && !*end && isfinite(*value);
}

static bool read_choice(const char *text, const char *const *choices, int *value)
{
    for (*value = 0; choices[*value]; ++*value)
        if (strcmp(text, choices[*value]) == 0)
            return true;
    return false;
}

static bool read_layers(const char *text, const struct cli_option *option, mnist_fast_config *config)
{
    config->hidden_count = 0;
    for (;;) {
        char *end;
        if (config->hidden_count == MNIST_FAST_MAX_HIDDEN ||
            !read_int(text, ',', option->low, option->high, &config->hidden[config->hidden_count], &end))
            return false;
        config->hidden_count++;
        if (!*end)
            return true;
        text = end + 1;
    }
}

/* NAME=X,...: those that are not named are 0. */
static bool read_augment(const char *text, double values[STRENGTHS])
{
    memset(values, 0, STRENGTHS * sizeof *values);
    for (;;) {
        int i = 0;
        size_t length;
        while (i < STRENGTHS && (length = strlen(strengths[i].name),
                                 strncmp(text, strengths[i].name, length) != 0 || text[length] != '='))
            i++;
        if (i == STRENGTHS)
            return false;
        text += length + 1;
        char *end;
        values[i] = strtod(text, &end);
        if (!starts_number(text) || end == text || (*end && *end != ',') ||
            !(values[i] >= 0 && values[i] <= strengths[i].most))
            return false;
        if (!*end)
            return true;
        text = end + 1;
    }
}

const char *cli_augment_text(const mnist_fast_config *config, char *buffer, size_t size)
{
    const double *value = &config->rotation;
    size_t length = 0;
    for (int i = 0; i < STRENGTHS; i++) {
        char number[32];
        if (value[i] != 0 && length < size)
            length += (size_t)snprintf(buffer + length, size - length, "%s%s=%s", length ? "," : "", strengths[i].name,
                                       cli_shortest(value[i], false, number, sizeof number));
    }
    return length ? buffer : NULL;
}

void cli_option_expected(const struct cli_option *option, char *expected, size_t size)
{
    *expected = '\0';
    switch (option->type) {
    case CLI_TYPE_INT: snprintf(expected, size, "a whole number from %d to %d", option->low, option->high); break;
    case CLI_TYPE_SEED: snprintf(expected, size, "a whole number from 0 to %llu", ULLONG_MAX); break;
    case CLI_TYPE_RATE: snprintf(expected, size, "a number above 0"); break;
    case CLI_TYPE_DECAY: snprintf(expected, size, "a number of at least 0"); break;
    case CLI_TYPE_CHOICE:
        for (int i = 0; option->choices[i]; i++) {
            const size_t length = strlen(expected);
            snprintf(expected + length, size - length, "%s%s",
                     i == 0                   ? ""
                     : option->choices[i + 1] ? ", "
                                              : " or ",
                     option->choices[i]);
        }
        break;
    case CLI_TYPE_SHARE: snprintf(expected, size, "a number from 0 to %s1", option->high ? "" : "below "); break;
    case CLI_TYPE_AUGMENT:
        snprintf(expected, size, "NAME=X,... of");
        for (int i = 0; i < STRENGTHS; i++) {
            const size_t length = strlen(expected);
            snprintf(expected + length, size - length, "%s %s (0 to %g)", i ? "," : "", strengths[i].name,
                     strengths[i].most);
        }
        break;
    case CLI_TYPE_LAYERS:
        snprintf(expected, size, "1 to %d whole numbers from %d to %d, separated by commas", MNIST_FAST_MAX_HIDDEN,
                 option->low, option->high);
        break;
    case CLI_TYPE_TEXTS:
    case CLI_TYPE_TEXT:
        snprintf(expected, size, "a %s", strcmp(option->argument, "DIR") == 0 ? "folder" : "name");
        break;
    case CLI_TYPE_FLAG: break;
    }
}

static mnist_fast_status wrong_value(const struct cli_option *option, const char *text, mnist_fast_error *error)
{
    char expected[128];
    cli_option_expected(option, expected, sizeof expected);
    return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "--%s: expected %s, found '%.80s'", option->name, expected, text);
}

mnist_fast_status cli_option_set(const struct cli_option *option, const char *text, struct cli_options *options,
                                 mnist_fast_error *error)
{
    void *field = (char *)options + option->field;
    bool good = true;
    switch (option->type) {
    case CLI_TYPE_FLAG: *(bool *)field = true; break;
    case CLI_TYPE_INT: {
        char *end;
        good = read_int(text, '\0', option->low, option->high, field, &end);
        break;
    }
    case CLI_TYPE_SEED: good = read_seed(text, field); break;
    case CLI_TYPE_RATE: {
        double value;
        good = read_double(text, &value) && isfinite((float)value) && (float)value > 0;
        if (good)
            *(float *)field = (float)value;
        break;
    }
    case CLI_TYPE_DECAY: good = read_double(text, field) && *(double *)field >= 0; break;
    case CLI_TYPE_CHOICE: good = read_choice(text, option->choices, field); break;
    case CLI_TYPE_SHARE: {
        double *value = field;
        good = read_double(text, value) && *value >= 0 && (*value < 1 || (option->high && *value <= 1));
        break;
    }
    case CLI_TYPE_AUGMENT: good = read_augment(text, field); break;
    case CLI_TYPE_LAYERS: good = read_layers(text, option, &options->config); break;
    case CLI_TYPE_TEXT:
        good = *text != '\0';
        *(const char **)field = text;
        break;
    case CLI_TYPE_TEXTS: {
        struct cli_texts *texts = field;
        if (texts->count == CLI_MAX_TEXTS)
            return cli_fail(error, MNIST_FAST_BAD_ARGUMENT, "--%s: may be given %d times at most", option->name,
                            CLI_MAX_TEXTS);
        good = *text != '\0';
        texts->text[texts->count++] = text;
        break;
    }
    }
    return good ? MNIST_FAST_OK : wrong_value(option, text, error);
}

const char *cli_option_value(const struct cli_option *option, const struct cli_options *options, char *buffer,
                             size_t size)
{
    const void *field = (const char *)options + option->field;
    switch (option->type) {
    case CLI_TYPE_INT: snprintf(buffer, size, "%d", *(const int *)field); return buffer;
    case CLI_TYPE_SEED: snprintf(buffer, size, "%llu", (unsigned long long)*(const uint64_t *)field); return buffer;
    case CLI_TYPE_RATE: return cli_shortest((double)*(const float *)field, true, buffer, size);
    case CLI_TYPE_CHOICE: return option->choices[*(const int *)field];
    case CLI_TYPE_DECAY:
    case CLI_TYPE_SHARE: return cli_shortest(*(const double *)field, false, buffer, size);
    case CLI_TYPE_AUGMENT: return cli_augment_text(&options->config, buffer, size);
    case CLI_TYPE_LAYERS: {
        size_t length = 0;
        *buffer = '\0';
        for (int i = 0; i < options->config.hidden_count && length < size; i++)
            length += (size_t)snprintf(buffer + length, size - length, "%s%d", i ? "," : "", options->config.hidden[i]);
        return buffer;
    }
    case CLI_TYPE_TEXT: return *(const char *const *)field;
    case CLI_TYPE_TEXTS:
    case CLI_TYPE_FLAG: break;
    }
    return NULL;
}

bool cli_option_copy(const struct cli_option *option, const struct cli_options *from, mnist_fast_config *config)
{
    const bool real = option->type == CLI_TYPE_SHARE || option->type == CLI_TYPE_DECAY;
    const size_t size = option->type == CLI_TYPE_AUGMENT ? STRENGTHS * sizeof(double)
                        : option->type == CLI_TYPE_SEED  ? sizeof(uint64_t)
                        : real                           ? sizeof(double)
                        : option->type == CLI_TYPE_RATE  ? sizeof(float)
                                                         : sizeof(int);
    char *to = (char *)config + (option->field - offsetof(struct cli_options, config));
    const char *value = (const char *)from + option->field;
    if (memcmp(to, value, size) == 0)
        return false;
    memcpy(to, value, size);
    return true;
}
