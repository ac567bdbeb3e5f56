#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h> /* WebAssembly has none */
#endif

enum { CACHE_LINE = 64, HUGE_PAGE = 2 << 20 };

void *mf_allocate(size_t bytes)
{
    const size_t alignment = bytes >= HUGE_PAGE ? HUGE_PAGE : CACHE_LINE;
    if (bytes > PTRDIFF_MAX - alignment)
        return NULL;
    const size_t size = (bytes / CACHE_LINE + 1) * CACHE_LINE;
    void *memory;
    if (posix_memalign(&memory, alignment, size))
        return NULL;
#ifdef MADV_HUGEPAGE
    if (alignment == HUGE_PAGE)
        madvise(memory, size, MADV_HUGEPAGE); /* advice: whatever the answer, the memory serves */
#endif
    return memory;
}

void *mf_allocate_zeroed(size_t bytes)
{
    void *memory = mf_allocate(bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}
