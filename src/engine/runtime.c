#include "runtime.h"

#include "base/cpu.h"
#include "base/error.h"
#include "base/sized.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *mnist_fast_version(void)
{
    return MNIST_FAST_VERSION;
}

const char *mnist_fast_status_name(mnist_fast_status status)
{
    switch (status) {
    case MNIST_FAST_OK: return "MNIST_FAST_OK";
    case MNIST_FAST_BAD_ARGUMENT: return "MNIST_FAST_BAD_ARGUMENT";
    case MNIST_FAST_NO_MEMORY: return "MNIST_FAST_NO_MEMORY";
    case MNIST_FAST_NO_ISA: return "MNIST_FAST_NO_ISA";
    case MNIST_FAST_BAD_FILE: return "MNIST_FAST_BAD_FILE";
    case MNIST_FAST_BAD_DATA: return "MNIST_FAST_BAD_DATA";
    case MNIST_FAST_BAD_MODEL: return "MNIST_FAST_BAD_MODEL";
    case MNIST_FAST_DIVERGED: return "MNIST_FAST_DIVERGED";
    case MNIST_FAST_STOPPED: return "MNIST_FAST_STOPPED";
    case MNIST_FAST_BUSY: return "MNIST_FAST_BUSY";
    case MNIST_FAST_BAD_MACHINE: return "MNIST_FAST_BAD_MACHINE";
    }
    return "unknown status";
}

_Static_assert((int)MNIST_FAST_FP32 == MF_FP32 && (int)MNIST_FAST_BF16 == MF_BF16, "one numbering");

const char *mnist_fast_isa_name(int index)
{
    if (index < 0)
        return NULL;
    const struct mf_kernels *const *isa = mf_isas;
    while (*isa && index-- > 0)
        isa++;
    return *isa ? (*isa)->name : NULL;
}

int mnist_fast_isa_runnable(const char *name)
{
    return name && (mf_kernels_choose(name, MF_FP32) || mf_kernels_choose(name, MF_BF16));
}

const char *mnist_fast_isa_problem(const char *name)
{
    const struct mf_kernels *found = NULL;
    for (int precision = MF_FP32; name && precision <= MF_BF16; precision++)
        for (const struct mf_kernels *const *isa = mf_isas_of(precision); *isa; isa++)
            if (!strcmp(name, (*isa)->name) && !found)
                found = *isa;
    if (!found)
        return "it is not built in";
    return found->supported() ? NULL : found->problem ? found->problem() : "this CPU does not have it";
}

const char *mnist_fast_isa_choice(mnist_fast_precision precision)
{
    return mf_kernels_choose(NULL, precision == MNIST_FAST_BF16 ? MF_BF16 : MF_FP32)->name;
}

void mnist_fast_get_cpu(mnist_fast_cpu *cpu, size_t size)
{
    if (!cpu)
        return;
    const struct mf_cpu found = mf_cpu_read();
    const mnist_fast_cpu mine = {
        .size = sizeof mine,
        .processors = found.affinity,
        .cores = found.cores,
        .quota = found.quota,
        .default_threads = mf_cpu_default_threads(),
        .l1 = found.caches.l1,
        .l2 = found.caches.l2,
        .l3 = found.caches.l3,
        .l2_cores = found.caches.l2_cores,
        .l3_cores = found.caches.l3_cores,
    };
    mf_sized_write(cpu, size, &mine, sizeof mine);
}

static mnist_fast_status choose_kernels(const char *name, struct mf_runtime *runtime, mnist_fast_error *error)
{
    const char *source = "instruction set";
    if (!name) {
        source = "MNIST_FAST_ISA";
        name = getenv(source);
        if (name && !*name)
            name = NULL;
    }
    runtime->named = name;
    runtime->kernels = mf_kernels_choose(name, MF_FP32);
    if (!runtime->kernels) /* some compute in bf16 alone */
        runtime->kernels = mf_kernels_choose(name, MF_BF16);
    if (runtime->kernels)
        return MNIST_FAST_OK;
    char list[128] = "";
    for (int i = 0; mnist_fast_isa_name(i); i++)
        if (mnist_fast_isa_runnable(mnist_fast_isa_name(i)))
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? ", " : "",
                     mnist_fast_isa_name(i));
    return mf_fail(error, MNIST_FAST_NO_ISA, "%s: '%.80s' cannot run here (this CPU runs: %s)", source, name, list);
}

mnist_fast_status mf_runtime_read(const mnist_fast_runtime *from, struct mf_runtime *runtime, mnist_fast_error *error)
{
    static const mnist_fast_runtime defaults = MNIST_FAST_RUNTIME_INIT;
    mnist_fast_runtime wanted;
    mnist_fast_status status = mf_sized_read("runtime", &wanted, sizeof wanted, from ? from : &defaults, error);
    if (status)
        return status;
    if (wanted.threads < 0 || wanted.threads > MNIST_FAST_MAX_THREADS)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "threads: expected 0 to %d, found %d", MNIST_FAST_MAX_THREADS,
                       wanted.threads);
    status = choose_kernels(wanted.isa, runtime, error);
    if (status)
        return status;
    runtime->cpu = mf_cpu_read();
    runtime->threads = wanted.threads ? wanted.threads : mf_cpu_default_threads();
    return mf_blocking_forced(&runtime->forced, error);
}

mnist_fast_status mf_runtime_compute_in(struct mf_runtime *runtime, mnist_fast_precision precision,
                                        mnist_fast_error *error)
{
    const char *const name = runtime->kernels->name;
    runtime->kernels = mf_kernels_choose(runtime->named ? name : NULL, (enum mf_precision)precision);
    return runtime->kernels ? MNIST_FAST_OK
                            : mf_fail(error, MNIST_FAST_NO_ISA,
                                      "instruction set: '%s' cannot compute in fp32; choose another, or bf16", name);
}

mnist_fast_status mnist_fast_check_runtime(const mnist_fast_runtime *runtime, mnist_fast_error *error)
{
    struct mf_runtime found;
    return mf_runtime_read(runtime, &found, error);
}
