#include "layer_order.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Compares the numbers at *a and *b, of any length, and moves behind them. */
static int compare_numbers(const char **a, const char **b)
{
    *a += strspn(*a, "0");
    *b += strspn(*b, "0");
    const size_t m = strspn(*a, "0123456789"), n = strspn(*b, "0123456789");
    const int order = m != n ? (m < n ? -1 : 1) : memcmp(*a, *b, m);
    *a += m;
    *b += n;
    return order;
}

/* *alike: the names differ in numbers alone. */
static int compare_names(const char *a, const char *b, bool *alike)
{
    int order = 0;
    while (*a && *b) {
        if (is_digit(*a) && is_digit(*b)) {
            const int numbers = compare_numbers(&a, &b);
            order = order ? order : numbers;
        } else if (*a == *b) {
            a++;
            b++;
        } else {
            break;
        }
    }
    *alike = *a == *b;
    return order ? order : (unsigned char)*a - (unsigned char)*b;
}

static int group(const struct mf_safetensor *weight)
{
    return weight->shape[1] == MNIST_FAST_PIXELS ? 0 : weight->shape[0] == MNIST_FAST_CLASSES ? 2 : 1;
}

static bool comes_before(const struct mf_safetensor *a, const struct mf_safetensor *b)
{
    bool alike;
    return group(a) != group(b) ? group(a) < group(b) : compare_names(a->name, b->name, &alike) < 0;
}

void mf_layer_order(const struct mf_safetensors *header, const struct mf_safetensor *weight[MF_MAX_LAYERS + 1],
                    int *layers)
{
    static const char ending[] = ".weight";
    *layers = 0;
    for (size_t i = 0; i < header->count && *layers <= MF_MAX_LAYERS; i++) {
        const struct mf_safetensor *const tensor = &header->tensor[i];
        const size_t length = strlen(tensor->name);
        if (length < strlen(ending) || strcmp(tensor->name + length - strlen(ending), ending) != 0)
            continue;
        int at = (*layers)++;
        for (; at > 0 && comes_before(tensor, weight[at - 1]); at--)
            weight[at] = weight[at - 1];
        weight[at] = tensor;
    }
}

mnist_fast_status mf_layer_order_check(const char *path, const struct mf_safetensor *const weight[], int layers,
                                       mnist_fast_error *error)
{
    for (int i = 1; i < layers; i++) {
        const char *const a = weight[i - 1]->name, *const b = weight[i]->name;
        bool alike;
        const bool same = compare_names(a, b, &alike) == 0;
        if (group(weight[i - 1]) == group(weight[i]) && (same || !alike))
            return mf_fail(error, MNIST_FAST_BAD_MODEL,
                           "%s: \"%s\" and \"%s\" leave the order of the layers open (expected names that differ in "
                           "a number); name them as in fc1, fc2, fc3",
                           path, mf_printable(a).text, mf_printable(b).text);
    }
    return MNIST_FAST_OK;
}
