/* What the tests of the kernels try: numbers of rows and panels, depths of the sums, pixels with and without ink. */
#ifndef KERNEL_CASES_H
#define KERNEL_CASES_H

#include "guarded.h"
#include "matrix.h"
#include "support.h"

/* One row count of one instruction set, up to two tiles and a row: what a test of a loop stands for. */
struct row_case {
    const struct mf_kernels *isa;
    int rows;
};
extern struct row_case row_case[2 * SUPPORT_ISAS_MAX * (2 * MF_MR_MAX + 1)];
extern int row_cases;

/* The tables that run here, of both precisions; not those in tiles, which have a test of their own. */
extern const struct mf_kernels *kernel_table[2 * SUPPORT_ISAS_MAX];
extern int kernel_tables;
void find_row_cases(void); /* all of the above; after support_begin */

extern const char *const precision_name[];                            /* for messages: "" and " in bf16" */
const struct mf_kernels *definition_of(const struct mf_kernels *isa); /* scalar, of its precision */

/* Depths of the sums: every one up to 40, then the odd and the real. */
enum { DEPTHS = 43, DEPTHS_UNREAL = DEPTHS - 2 };
extern const int depths[DEPTHS];
int depths_to_try(void);
/* A few depths stand for all in short runs, and for more panels than two tiles and one have. */
int depth_step(const struct mf_kernels *isa, int panels);
int panels_to_try(const struct mf_kernels *isa, int rows);
int real_samples(void); /* of a batch */

/* Lists of tables of one precision, NULL last: one, all, and all but scalar, which would only repeat itself at length.
 */
const struct mf_kernels *const *only(const struct mf_kernels *isa);
const struct mf_kernels *const *all_tables(enum mf_precision precision);
const struct mf_kernels *const *vector_tables(enum mf_precision precision);

/* Normal numbers mostly; sometimes so small that sums and moments come out denormal and must be flushed. */
float some_magnitude(struct random *random);

/* Where the ink is. */
enum ink { BLACK, ONE_PIXEL, MNIST_LIKE, FULL, ONE_COLUMN, ONE_SAMPLE, CORNERS, INKS };
extern const char *const ink_name[INKS];

/* Pixels of `samples` images and `reserve` bytes after them, read-only. */
uint8_t *pixels_new(int samples, enum ink ink, size_t reserve, struct random *random);
/* x as the dense kernels want it, by the definition of scale; read-only. */
struct mf_matrix pixels_scaled(const struct mf_kernels *definition, const uint8_t *pixels, int samples);

/* Takes elements of a matrix to zero, as a ReLU does: more in some columns than in others, and whole rows. */
void matrix_thin(struct mf_matrix matrix, int rows, int columns, struct random *random);

/* Memory of exactly the size that kernels.h names, for calls of so many output rows. */
enum { CALL_ROWS = 48 };
struct mf_packed_nonzeros packed_new(const struct mf_kernels *isa, int depth);
struct mf_nonzero_index index_new(const struct mf_kernels *isa, int depth);

#endif
