#include "blocking.h"

#include "base/error.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Taller blocks than these win nothing even where L2 is large, and hypervisors report sizes that are not true. */
enum { ROWS_MIN = 24, ROWS_MAX = 256 };

/* Of L2, for what passes through while a block is computed: weights, packed pixels, lists of nonzeros. */
#define PASSING (368.0 * 1024)

/* A block of pixels is packed by every thread that has a task in it: blocks are as many as the threads, at least. */
enum { PIXELS_UNIT = 24, PIXELS_MIN = 48 }; /* fewer only where threads are many */

/* No task costs more than this part of a thread's share. */
enum { TASKS_OF_SHARE = 20 };

/* Multiply-adds that keep one more thread busy for long enough to be worth waiting for: about 20 us. A thread that has
 * no processor of its own must be switched to and from. Evaluation starts a team each time. */
#define WORK_OF_THREAD 1e6
#define WORK_OF_SHARED_THREAD 16e6
#define WORK_OF_EVALUATION 4e6

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* x, but at least low, and at most high, in whole units of which there is at least one. */
static int whole(double x, double low, double high, int unit)
{
    const double clamped = least(x < low ? low : x, high);
    return clamped < unit ? unit : (int)(clamped / unit) * unit;
}

static int units_of(const mnist_fast_config *config, int layer) /* 0: the inputs */
{
    return layer == 0 ? MF_INPUTS : layer <= config->hidden_count ? config->hidden[layer - 1] : MF_CLASSES;
}

static int threads_of(const struct mf_blocking_request *r, double work)
{
    const double own = work / (r->training ? WORK_OF_THREAD : WORK_OF_EVALUATION);
    const double shared = work / WORK_OF_SHARED_THREAD;
    const double useful = own < r->cpu->affinity ? own : shared > r->cpu->affinity ? shared : r->cpu->affinity;
    return r->all_threads || useful > r->threads ? r->threads : useful < 1 ? 1 : (int)useful;
}

struct mf_blocking mf_blocking_choose(const struct mf_blocking_request *r)
{
    const int layers = r->config->hidden_count + 1, mr = r->kernels->mr, nr = r->kernels->nr_panels;
    const double samples = r->samples > 0 ? (double)r->samples : 1;
    const double l2 = (double)r->cpu->caches.l2 / r->cpu->caches.l2_cores;
    double weights = 0, blocks = 0; /* of all layers; blocks of 16 x 16 of those with tasks of `panels` */
    int widest = 0;                 /* panels of activations */
    for (int l = 1; l <= layers; l++) {
        const int in = units_of(r->config, l - 1), panels = mf_ceil_div(units_of(r->config, l), MF_PANEL);
        weights += (double)in * units_of(r->config, l);
        blocks += l > 1 ? mf_ceil_div(in, MF_PANEL) * panels : 0;
        widest = panels > widest ? panels : widest;
    }
    const double work = weights * (r->training ? 3 * samples + MF_ADAM_COST : samples);
    struct mf_blocking b = {.threads = threads_of(r, work)};

    const double activations = 3.0 * sizeof(float) * MF_PANEL * widest; /* of a row */
    const double share = mf_ceil_div((int)((samples + b.threads - 1) / b.threads), mr) * mr;
    b.rows = whole((l2 - PASSING) / activations, ROWS_MIN, least(share, ROWS_MAX), mr);

    const double tasks = (double)TASKS_OF_SHARE * b.threads;
    b.panels = whole(l2 / 2 / (samples * sizeof(float) * MF_PANEL), 1, least(widest, blocks / tasks), nr);

    const double pixels = floor((double)MF_INPUTS / b.threads);
    b.pixels = whole(l2 * 3 / 8 / (samples * sizeof(float)), PIXELS_MIN, pixels, PIXELS_UNIT);

    b.rows = r->forced.rows ? mf_ceil_div(r->forced.rows, mr) * mr : b.rows;
    b.panels = r->forced.panels ? r->forced.panels : b.panels;
    b.pixels = r->forced.pixels ? r->forced.pixels : b.pixels;
    return b;
}

mnist_fast_status mf_blocking_forced(struct mf_blocking *forced, mnist_fast_error *error)
{
    static const char name[] = "MNIST_FAST_BLOCK";
    const char *text = getenv(name);
    *forced = (struct mf_blocking){0};
    if (!text || !*text)
        return MNIST_FAST_OK;
    int *const number[] = {&forced->rows, &forced->panels, &forced->pixels};
    static const int most[] = {4096, MNIST_FAST_MAX_UNITS / MF_PANEL, MF_INPUTS};
    const char *at = text;
    for (int i = 0; i < 3; i++) {
        char *end;
        errno = 0;
        const long value = strtol(at, &end, 10);
        const bool ends = *end == '\0' && i > 0;
        if (end == at || errno || value < 1 || value > most[i] || (!ends && (*end != ',' || i == 2)))
            return mf_fail(error, MNIST_FAST_BAD_ARGUMENT,
                           "%s: expected rows,panels or rows,panels,pixels (at most %d,%d,%d), found '%.80s'; unset it",
                           name, most[0], most[1], most[2], text);
        *number[i] = (int)value;
        if (ends)
            break;
        at = end + 1;
    }
    return MNIST_FAST_OK;
}
