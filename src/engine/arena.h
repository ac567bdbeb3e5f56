/* Divides one block of memory: laid out once without the block, to measure it, and once with it. */
#ifndef MF_ARENA_H
#define MF_ARENA_H

#include "kernels.h"

struct mf_arena {
    char *block; /* aligned to 64 bytes; NULL: only measure */
    size_t size; /* bytes taken so far */
};

/* The next part of the block, aligned to 64 bytes; NULL without a block. */
static inline void *mf_arena_take(struct mf_arena *arena, size_t bytes)
{
    void *const part = arena->block ? arena->block + arena->size : NULL;
    arena->size += (bytes + 63) / 64 * 64;
    return part;
}

static inline struct mf_matrix mf_arena_take_matrix(struct mf_arena *arena, int rows, int columns)
{
    const size_t stride = mf_stride(rows);
    return (struct mf_matrix){mf_arena_take(arena, mf_ceil_div(columns, MF_PANEL) * stride * sizeof(float)), stride};
}

#endif
