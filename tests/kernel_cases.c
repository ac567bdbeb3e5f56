#include "kernel_cases.h"

struct row_case row_case[2 * SUPPORT_ISAS_MAX * (2 * MF_MR_MAX + 1)];
int row_cases;
const struct mf_kernels *kernel_table[2 * SUPPORT_ISAS_MAX];
int kernel_tables;
const char *const precision_name[] = {[MF_FP32] = "", [MF_BF16] = " in bf16"};

void find_row_cases(void)
{
    for (enum mf_precision precision = MF_FP32; precision <= MF_BF16; precision++)
        for (const struct mf_kernels *const *isa = mf_isas_of(precision); *isa; isa++) {
            if ((*isa)->tiled || !(*isa)->supported())
                continue;
            kernel_table[kernel_tables++] = *isa;
            for (int rows = 1; rows <= 2 * (*isa)->mr + 1; rows++)
                row_case[row_cases++] = (struct row_case){*isa, rows};
        }
}

const struct mf_kernels *definition_of(const struct mf_kernels *isa)
{
    return mf_kernels_choose("scalar", isa->precision);
}

const int depths[DEPTHS] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,  21, 22,
                            23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 97, 500, 784};

int depths_to_try(void)
{
    return support_short ? DEPTHS_UNREAL : DEPTHS;
}

int depth_step(const struct mf_kernels *isa, int panels)
{
    return support_short ? 7 : panels > 2 * isa->nr_panels + 1 ? 5 : 1;
}

int panels_to_try(const struct mf_kernels *isa, int rows)
{
    /* a single row has a tile of its own, wider than nr_panels: 20 is more than twice the widest */
    const int edges = 2 * isa->nr_panels + 1;
    return rows == 1 && edges < 20 ? 20 : edges;
}

int real_samples(void)
{
    return support_short ? 50 : 1000;
}

const struct mf_kernels *const *only(const struct mf_kernels *isa)
{
    static const struct mf_kernels *list[2];
    list[0] = isa;
    return list;
}

const struct mf_kernels *const *all_tables(enum mf_precision precision)
{
    static const struct mf_kernels *list[SUPPORT_ISAS_MAX + 1];
    int n = 0;
    for (int i = 0; i < kernel_tables; i++)
        if (kernel_table[i]->precision == precision)
            list[n++] = kernel_table[i];
    list[n] = NULL;
    return list;
}

const struct mf_kernels *const *vector_tables(enum mf_precision precision)
{
    static const struct mf_kernels *list[SUPPORT_ISAS_MAX + 1];
    int n = 0;
    for (const struct mf_kernels *const *isa = all_tables(precision); *isa; isa++)
        if (*isa != definition_of(*isa))
            list[n++] = *isa;
    list[n] = NULL;
    return list;
}

float some_magnitude(struct random *random)
{
    static const float magnitude[] = {1.0f, 1.0f, 1.0f, 0x1p-64f};
    return magnitude[random_below(random, 4)];
}

const char *const ink_name[INKS] = {"black", "one pixel", "19% ink", "full", "one column", "one sample", "corners"};

uint8_t *pixels_new(int samples, enum ink ink, size_t reserve, struct random *random)
{
    uint8_t *const pixels = guarded_new((size_t)samples * MF_INPUTS + reserve);
    const int sample = random_below(random, samples), pixel = random_below(random, MF_INPUTS);
    for (int i = 0; i < samples; i++)
        for (int k = 0; k < MF_INPUTS; k++) {
            bool inked = false;
            switch (ink) {
            case ONE_PIXEL: inked = i == sample && k == pixel; break;
            case MNIST_LIKE: inked = random_below(random, 100) < 19; break;
            case FULL: inked = true; break;
            case ONE_COLUMN: inked = k == pixel; break;
            case ONE_SAMPLE: inked = i == sample; break;
            case CORNERS: inked = (i == 0 || i == samples - 1) && (k == 0 || k == MF_INPUTS - 1); break;
            case BLACK:
            case INKS: break;
            }
            pixels[(size_t)i * MF_INPUTS + k] = inked ? (uint8_t)(1 + random_below(random, 255)) : 0;
        }
    guarded_seal(pixels);
    return pixels;
}

struct mf_matrix pixels_scaled(const struct mf_kernels *definition, const uint8_t *pixels, int samples)
{
    const struct mf_matrix x = matrix_new(samples, MF_INPUTS / MF_PANEL);
    definition->scale(pixels, 0, samples, x);
    guarded_seal(x.data);
    return x;
}

void matrix_thin(struct mf_matrix matrix, int rows, int columns, struct random *random)
{
    for (int j = 0; j < columns; j++) {
        const int share = random_below(random, 3) * 50; /* percent */
        for (int i = 0; i < rows; i++)
            if (random_below(random, 100) < share)
                *mf_at(matrix, i, j) = 0.0f;
    }
    const int row = random_below(random, 2 * rows);
    for (int j = 0; row < rows && j < columns; j++)
        *mf_at(matrix, row, j) = 0.0f;
}

static size_t tiles_of(const struct mf_kernels *isa)
{
    return (size_t)mf_ceil_div(CALL_ROWS, isa->mr);
}

struct mf_packed_nonzeros packed_new(const struct mf_kernels *isa, int depth)
{
    return (struct mf_packed_nonzeros){
        .depth = depth,
        .rows = CALL_ROWS,
        .count = guarded_new(sizeof(int) * tiles_of(isa) * (size_t)mf_chains(isa->precision, depth)),
        .offset = guarded_new(sizeof(int32_t) * (tiles_of(isa) * (size_t)depth + MF_INDEX_AHEAD)),
        .value = guarded_new(sizeof(float) * (tiles_of(isa) * (size_t)isa->mr * (size_t)depth + MF_PANEL)),
    };
}

struct mf_nonzero_index index_new(const struct mf_kernels *isa, int depth)
{
    return (struct mf_nonzero_index){
        .depth = depth,
        .rows = CALL_ROWS,
        .count = guarded_new(sizeof(int) * tiles_of(isa)),
        .packed_offset = guarded_new(sizeof(uint64_t) * (tiles_of(isa) * (size_t)depth + MF_INDEX_AHEAD)),
    };
}
