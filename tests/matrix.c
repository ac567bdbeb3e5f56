#include "matrix.h"

#include "guarded.h"

#include <math.h>
#include <string.h>

struct mf_matrix matrix_new(int rows, int panels)
{
    struct mf_matrix matrix = {NULL, (size_t)(rows + rows % 3) * MF_PANEL};
    matrix.data = guarded_new(matrix_size(matrix, rows, panels) * sizeof(float));
    return matrix;
}

size_t matrix_size(struct mf_matrix matrix, int rows, int panels)
{
    return (size_t)(panels - 1) * matrix.stride + (size_t)rows * MF_PANEL;
}

void matrix_fill(struct mf_matrix matrix, int rows, int panels, int columns, float magnitude, float padding,
                 struct random *random)
{
    for (int j = 0; j < panels * MF_PANEL; j++)
        for (int i = 0; i < rows; i++)
            *mf_at(matrix, i, j) = j < columns ? magnitude * random_real(random) : padding;
}

struct mf_matrix matrix_sealed(int rows, int columns, float magnitude, float padding, struct random *random)
{
    const int panels = mf_ceil_div(columns, MF_PANEL);
    const struct mf_matrix matrix = matrix_new(rows, panels);
    matrix_fill(matrix, rows, panels, columns, magnitude, padding, random);
    guarded_seal(matrix.data);
    return matrix;
}

void expect_same(const char *what, struct mf_matrix expected, struct mf_matrix got, int rows, int panels)
{
    const size_t size = matrix_size(expected, rows, panels);
    if (!memcmp(expected.data, got.data, size * sizeof(float)))
        return;
    for (size_t i = 0; i < size; i++)
        if (memcmp(expected.data + i, got.data + i, sizeof(float)))
            support_fail("%s: row %zu, panel %zu, column %zu is %a, expected %a", what, i % expected.stride / MF_PANEL,
                         i / expected.stride, i % MF_PANEL, (double)got.data[i], (double)expected.data[i]);
}

void expect_only(const char *what, const float *before, struct mf_matrix after, int rows, int panels, int begin,
                 int end, int first, int last)
{
    const size_t size = matrix_size(after, rows, panels);
    for (size_t i = 0; i < size; i++) {
        const int panel = (int)(i / after.stride), row = (int)(i % after.stride / MF_PANEL);
        const bool asked = row >= begin && row < end && panel >= first && panel < last;
        if (!asked && memcmp(before + i, after.data + i, sizeof(float)))
            support_fail("%s: written outside the part that was asked for, at row %d, panel %d", what, row, panel);
    }
}

struct mf_adam adam_at_step(int step)
{
    const double beta1 = 0.9, beta2 = 0.999, rate = 0.001;
    return (struct mf_adam){
        .beta1 = (float)beta1,
        .gain1 = (float)(1 - beta1),
        .beta2 = (float)beta2,
        .gain2 = (float)(1 - beta2),
        .rate = (float)(rate / (1 - pow(beta1, step))),
        .root = (float)(1 / sqrt(1 - pow(beta2, step))),
        .epsilon = 1e-7f,
        .keep = 1.0f,
    };
}
