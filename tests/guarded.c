#include "guarded.h"

#include "support.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { GUARDED_MAX = 64 };

static const uint32_t canary = 0x7fc5a5a5; /* a quiet NaN as a float */

static struct {
    unsigned char *pages, *memory;
    size_t mapped; /* the forbidden page included */
} guarded[GUARDED_MAX];
static int guarded_count;

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static unsigned char canary_byte(const unsigned char *pages, const unsigned char *p)
{
    return (unsigned char)(canary >> (8 * ((p - pages) % 4)));
}

void *guarded_new(size_t size)
{
    const size_t page = page_size();
    const size_t mapped = (size + page - 1) / page * page + 2 * page; /* at least a page of canary in front */
    if (guarded_count == GUARDED_MAX)
        support_fail("more than %d guarded operands", GUARDED_MAX);
    unsigned char *const pages = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + mapped - page, page, PROT_NONE))
        support_fail("no guarded memory: %s", strerror(errno));
    for (unsigned char *p = pages; p < pages + mapped - page; p += sizeof canary)
        memcpy(p, &canary, sizeof canary);
    guarded[guarded_count].pages = pages;
    guarded[guarded_count].memory = pages + mapped - page - size;
    guarded[guarded_count].mapped = mapped;
    return guarded[guarded_count++].memory;
}

void guarded_seal(const void *memory)
{
    for (int i = 0; i < guarded_count; i++)
        if (guarded[i].memory == memory)
            if (mprotect(guarded[i].pages, guarded[i].mapped - page_size(), PROT_READ))
                support_fail("mprotect: %s", strerror(errno));
}

void guarded_release(void)
{
    for (int i = 0; i < guarded_count; i++) {
        for (const unsigned char *p = guarded[i].pages; p < guarded[i].memory; p++)
            if (*p != canary_byte(guarded[i].pages, p))
                support_fail("written %td bytes before operand %d", guarded[i].memory - p, i);
        munmap(guarded[i].pages, guarded[i].mapped);
    }
    guarded_count = 0;
}

void guarded_blank(float *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memcpy(data + i, &canary, sizeof canary);
}
