/* The kernels of bf16 in tiles, for amx.c and avx512bf16.c: all but the product of tiles. The file that includes this
 * defines the vector operations that vector.h names, then
 *   NAME_TEXT, TILED_NAME(operation)   the name, and that of a function
 *   tiles_begin(), tiles_end()         around the products of a kernel: nothing of them outlives it
 *   problem()                          why they cannot run here; NULL: they can
 *   TERM_AT(place)                     which of neighbouring terms of a sum is at a place of its tiles: a permutation
 *   PLACE_OF(term)                     its inverse; both keep fours together
 * and after this, multiply().
 *
 * Layout. A matrix takes the memory of its floats, in units of 32 x 32 elements of 16 bits, which lie there twice. The
 * rows of a panel are one cache line each, and two panels make a unit; 32 rows of a panel (2 KB) are two tiles of 1 KB:
 *     in panel h of the unit (0 or 1)     first tile                      second tile
 *     activations (x, y, h)               rows 16h.. , all columns        columns 16h.. , all rows
 *     gradients (dz)                      rows 16h.. , all columns        columns 16h.. in pairs of rows
 *     weights (copy)                      rows 16h.. in pairs of columns  columns 16h.. in pairs of rows
 * "all columns": 16 lines of 32 numbers, a left operand; "in pairs of rows": line q has numbers (2q, j) and (2q + 1, j)
 * side by side, a right operand. The columns of the one and the rows of the other are in the order of TERM_AT. Seen as
 * words of 32 bits, one is the transpose of the other: so the first tiles of the weights are the right operand that
 * reads wᵀ, and the second tiles of the activations the left one that reads xᵀ. Rows and columns beyond the last of a
 * matrix are zeros: terms of a sum that change nothing. A product of such operands has zeros there again.
 *
 * Tiles. A product keeps 32 x 32 sums in four tiles and reads two tiles of each operand for every 32 terms: a load for
 * every TDPBF16PS. The sums go to L1 once, where the epilogue makes the tiles that the next product wants. */
#include "vector.h"

#include "deform.h"

enum { UNIT = MF_BLOCK, TILE = 16, TILE_FLOATS = 256 };

static bool supported(void)
{
    return !problem();
}

/* A unit as floats. */
struct unit {
    _Alignas(64) float at[UNIT][UNIT];
};

/* The first tile of unit (row, column) in panel h; the second one follows it. */
static inline float *tiles_of(struct mf_matrix matrix, int row, int column, int h)
{
    return matrix.data + (size_t)(2 * column + h) * matrix.stride + (size_t)row * UNIT * MF_PANEL;
}

/* ---- 16 bits of 32: the numbers are rounded already ---- */

/* The terms of two vectors as halves of words, the first place low: half a line in AVX2, a line in AVX-512. */
typedef uint16_t halves __attribute__((vector_size(4 * LANES)));

#define FOUR(f, i) f(i), f((i) + 1), f((i) + 2), f((i) + 3)
#define SIXTEEN(f, i) FOUR(f, i), FOUR(f, (i) + 4), FOUR(f, (i) + 8), FOUR(f, (i) + 12)
#if LANES == 16
#define EACH_HALF(f) SIXTEEN(f, 0), SIXTEEN(f, 16)
#else
#define EACH_HALF(f) SIXTEEN(f, 0)
#endif

INLINE halves narrow(vf first, vf second)
{
#define HIGH_HALF(place) 2 * TERM_AT(place) + 1
    return __builtin_shufflevector((halves)first, (halves)second, EACH_HALF(HIGH_HALF));
#undef HIGH_HALF
}

INLINE void widen(halves terms, vf *first, vf *second)
{
#define HALF_OF(term, half) ((half) % 2 ? 2 * LANES + PLACE_OF(term) : 0)
#define OF_FIRST(half) HALF_OF((half) / 2, half)
#define OF_SECOND(half) HALF_OF((half) / 2 + LANES, half)
    const halves zeros = {0};
    *first = (vf)__builtin_shufflevector(zeros, terms, EACH_HALF(OF_FIRST));
    *second = (vf)__builtin_shufflevector(zeros, terms, EACH_HALF(OF_SECOND));
#undef OF_FIRST
#undef OF_SECOND
#undef HALF_OF
}

enum form { ACTIVATION, GRADIENT, WEIGHT };

static void pack(const struct unit *unit, struct mf_matrix matrix, int row, int column, enum form form)
{
    for (int h = 0; h < 2; h++) {
        float *const first = tiles_of(matrix, row, column, h), *const second = first + TILE_FLOATS;
        struct {
            _Alignas(64) float at[TILE][TILE];
        } tile;
        float *to = form == WEIGHT ? tile.at[0] : first;
        for (int i = 0; i < TILE; i++)
            for (int j = 0; j < UNIT; j += 2 * LANES) {
                const float *from = &unit->at[h * TILE + i][j];
                v_store(to + i * TILE + j / 2, (vf)narrow(v_load(from), v_load(from + LANES)));
            }
        if (form == WEIGHT)
            transpose_block(tile.at[0], first);
        to = form == ACTIVATION ? tile.at[0] : second;
        for (int q = 0; q < TILE; q++)
            for (int j = 0; j < TILE; j += LANES) {
                const vu low = (vu)v_load(&unit->at[TERM_AT(2 * q)][h * TILE + j]);
                const vu high = (vu)v_load(&unit->at[TERM_AT(2 * q + 1)][h * TILE + j]);
                v_store(to + q * TILE + j, (vf)((low >> 16) | (high & 0xffff0000u)));
            }
        if (form == ACTIVATION)
            transpose_block(tile.at[0], second);
    }
}

/* ---- The product ---- */

/* Where the two tiles of an operand are, for each block of 32 terms: `step` floats from one block to the next. */
struct operand {
    const float *tile[2];
    size_t step;
    bool pixels; /* it has many zeros side by side */
};

/* sums = a b. The rows of a beyond `rows` are zeros, and so are those of the sums then. This is the tile part: of the
 * file that includes this. */
static void multiply(const struct operand *a, const struct operand *b, int depth, int rows, struct unit *sums);

/* The sum runs along a row of units (over columns), or down a column of them. */
static struct operand along(struct mf_matrix matrix, int row)
{
    return (struct operand){{tiles_of(matrix, row, 0, 0), tiles_of(matrix, row, 0, 1)}, 2 * matrix.stride, false};
}

static struct operand down(struct mf_matrix matrix, int column)
{
    return (struct operand){
        {tiles_of(matrix, 0, column, 0) + TILE_FLOATS, tiles_of(matrix, 0, column, 1) + TILE_FLOATS},
        UNIT * MF_PANEL,
        false};
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Pixels enter the products unscaled, and nothing else does. */
static bool are_pixels(float scale)
{
    return scale != 1.0f;
}

/* Clears what lies beyond `rows` rows and `panels` panels. */
static void clear_beyond(struct unit *unit, int rows, int panels)
{
    for (int i = 0; i < UNIT; i++)
        for (int j = i < rows ? panels * MF_PANEL : 0; j < UNIT; j += LANES)
            v_store(&unit->at[i][j], v_zero());
}

static void forward_unit(const struct mf_forward *op, int row, int rows, int column, struct unit *unit)
{
    const int panels = least(2, op->panels - 2 * column);
    for (int j = 0; j < panels * MF_PANEL; j += LANES) {
        const float *bias = op->bias + (size_t)(2 * column + j / MF_PANEL) * op->w.stride + j % MF_PANEL;
        for (int i = 0; i < rows; i++) {
            const vf z = v_fma(v_load(&unit->at[i][j]), v_set(op->scale), v_load(bias)) + v_set(0.0f);
            const vf y = round_bf16(v_select(v_greater(v_zero(), z), v_zero(), z));
            if (op->relu)
                v_store(&unit->at[i][j], y);
            else
                v_store(mf_at(op->y, row * UNIT + i, column * UNIT + j), z);
        }
    }
    if (!op->relu)
        return;
    pack(unit, op->y, row, column, ACTIVATION);
}

static void TILED_NAME(forward)(const struct mf_forward *op, int begin, int end)
{
    assert(begin % UNIT == 0 && !op->index);
    tiles_begin();
    for (int column = 0; 2 * column < op->panels; column++)
        for (int row = begin / UNIT; row * UNIT < end; row++) {
            const int rows = least(UNIT, end - row * UNIT);
            struct unit sums;
            struct operand x = along(op->x, row), w = down(op->w, column);
            x.pixels = are_pixels(op->scale);
            multiply(&x, &w, op->in, rows, &sums);
            forward_unit(op, row, rows, column, &sums);
        }
    tiles_end();
}

static void TILED_NAME(input_gradient)(const struct mf_input_gradient *op, int begin, int end)
{
    assert(begin % UNIT == 0 && !op->index);
    tiles_begin();
    for (int column = 0; 2 * column < op->panels; column++)
        for (int row = begin / UNIT; row * UNIT < end; row++) {
            const int rows = least(UNIT, end - row * UNIT);
            struct unit sums;
            const struct operand dz = along(op->dz, row), w = along(op->wt, column);
            multiply(&dz, &w, op->out, rows, &sums);
            for (int i = 0; i < rows; i++)
                for (int j = 0; j < UNIT; j += 2 * LANES) {
                    float *const of_row = tiles_of(op->h, row, column, i / TILE) + i % TILE * TILE;
                    vf h[2];
                    widen((halves)v_load(of_row + j / 2), &h[0], &h[1]);
                    for (int n = 0; n < 2; n++) {
                        float *const at = &sums.at[i][j + n * LANES];
                        const vf dx = round_bf16(v_load(at));
                        v_store(at, v_select(v_greater(h[n], v_zero()), dx, v_zero()));
                    }
                }
            pack(&sums, op->dx, row, column, GRADIENT);
        }
    tiles_end();
}

static bool is_zero(vf check)
{
    _Alignas(64) float lane[LANES];
    v_store(lane, check);
    bool zero = true;
    for (int i = 0; i < LANES; i++)
        zero &= lane[i] == 0.0f;
    return zero;
}

static bool TILED_NAME(weight_update)(const struct mf_weight_update *op, int begin, int end, int first, int last)
{
    vf check = v_zero();
    assert(begin % UNIT == 0 && end - begin <= UNIT && first % 2 == 0);
    tiles_begin();
    for (int column = first / 2; 2 * column < last; column++) {
        struct unit sums;
        struct operand x = down(op->x, begin / UNIT), dz = down(op->dz, column);
        const int panels = least(2, last - 2 * column);
        x.pixels = are_pixels(op->scale);
        multiply(&x, &dz, op->samples, end - begin, &sums);
        for (int i = 0; i < end - begin; i++)
            for (int j = 0; j < panels * MF_PANEL; j += LANES) {
                float *const w = mf_at(op->w, begin + i, column * UNIT + j);
                const size_t at = (size_t)(w - op->w.data);
                const vf g = v_load(&sums.at[i][j]) * v_set(op->scale);
                const vf copy = round_bf16(adam(&op->adam, g, w, op->m.data + at, op->v.data + at, &check));
                v_store(&sums.at[i][j], copy);
                check = v_fma(copy, v_zero(), check); /* a finite w may be too large for its copy */
            }
        pack(&sums, op->copy, begin / UNIT, column, WEIGHT);
    }
    tiles_end();
    return is_zero(check);
}

/* ---- What needs no tiles ---- */

static bool TILED_NAME(bias_update)(const struct mf_weight_update *op, int row, int first, int last)
{
    vf check = v_zero();
    for (int panel = first; panel < last; panel++)
        for (int j = 0; j < MF_PANEL; j += LANES) {
            vf sum = v_zero();
            for (int i = 0; i < op->samples; i += UNIT)
                for (int r = 0; r < UNIT; r++) {
                    const float *pairs = tiles_of(op->dz, i / UNIT, panel / 2, panel % 2) + TILE_FLOATS + j;
                    const vu words = (vu)v_load(pairs + PLACE_OF(r) / 2 * TILE);
                    sum = sum + (vf)(PLACE_OF(r) % 2 ? words & 0xffff0000u : words << 16);
                }
            float *const w = mf_at(op->w, row, panel * MF_PANEL + j);
            const size_t at = (size_t)(w - op->w.data);
            adam(&op->adam, sum, w, op->m.data + at, op->v.data + at, &check);
        }
    return is_zero(check);
}

static void TILED_NAME(scale)(const uint8_t *pixels, int begin, int end, struct mf_matrix x)
{
    assert(begin % UNIT == 0);
    for (int row = begin / UNIT; row * UNIT < end; row++)
        for (int column = 0; column * UNIT < MF_INPUTS; column++) {
            struct unit unit;
            const int rows = least(UNIT, end - row * UNIT), panels = least(2, MF_INPUTS / MF_PANEL - 2 * column);
            for (int i = 0; i < rows; i++)
                for (int j = 0; j < panels * MF_PANEL; j += LANES)
                    v_store(&unit.at[i][j],
                            load_pixels(MF_BF16, pixels + (size_t)(row * UNIT + i) * MF_INPUTS + column * UNIT + j));
            clear_beyond(&unit, rows, panels);
            pack(&unit, x, row, column, ACTIVATION);
        }
}

static void TILED_NAME(softmax)(const struct mf_softmax *op, int begin, int end)
{
    const bool gradient = op->labels && op->gradient.data;
    assert(!gradient || begin % UNIT == 0);
    for (int i = begin; i < end; i += UNIT) {
        struct {
            _Alignas(64) float at[UNIT][MF_PANEL];
        } rows;
        const int count = least(UNIT, end - i);
        struct mf_softmax part = *op; /* the same from sample i on, with a place for the gradient */
        part.logits.data += i * MF_PANEL;
        part.labels = op->labels ? op->labels + i : NULL;
        part.loss = op->loss ? op->loss + i : NULL;
        part.digit += i;
        if (op->probability.data)
            part.probability.data += i * MF_PANEL;
        part.gradient.data = gradient ? rows.at[0] : NULL;
        softmax(MF_BF16, &part, 0, count);
        if (!gradient)
            continue;
        struct unit unit;
        for (int r = 0; r < count; r++)
            memcpy(unit.at[r], rows.at[r], sizeof rows.at[r]);
        clear_beyond(&unit, count, 1);
        pack(&unit, op->gradient, i / UNIT, 0, GRADIENT);
    }
}

static void TILED_NAME(round)(struct mf_matrix w, int rows, int panels, struct mf_matrix copy)
{
    for (int row = 0; row * UNIT < rows; row++)
        for (int column = 0; 2 * column < panels; column++) {
            struct unit unit;
            const int height = least(UNIT, rows - row * UNIT), width = least(2, panels - 2 * column);
            for (int i = 0; i < height; i++)
                for (int j = 0; j < width * MF_PANEL; j += LANES)
                    v_store(&unit.at[i][j], round_bf16(v_load(mf_at(w, row * UNIT + i, column * UNIT + j))));
            clear_beyond(&unit, height, width);
            pack(&unit, copy, row, column, WEIGHT);
        }
}

static void TILED_NAME(deform)(const uint8_t *pixels, const struct mf_deformation *deformation, uint8_t *deformed)
{
    deform(pixels, deformation, deformed);
}

const struct mf_kernels TILED_NAME(kernels) = {
    .name = NAME_TEXT,
    .precision = MF_BF16,
    .tiled = true,
    .supported = supported,
    .problem = problem,
    .mr = UNIT,
    .nr_panels = UNIT / MF_PANEL,
    .deform = TILED_NAME(deform),
    .scale = TILED_NAME(scale),
    .forward = TILED_NAME(forward),
    .input_gradient = TILED_NAME(input_gradient),
    .weight_update = TILED_NAME(weight_update),
    .bias_update = TILED_NAME(bias_update),
    .softmax = TILED_NAME(softmax),
    .round = TILED_NAME(round),
};
