/* One target under libFuzzer: FUZZ_TARGET names it. FUZZ_SEEDS names the folder that its seeds are written to first. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);

static const struct fuzz_target *target;

static void write_seeds(const char *folder)
{
    static uint8_t seed[FUZZ_LARGEST];
    size_t size;
    for (int i = 0; (size = target->seed(i, seed)) > 0; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/seed%d", folder, i);
        FILE *file = fopen(path, "wb");
        if (!file || fwrite(seed, 1, size, file) != size || fclose(file) != 0)
            fuzz_fail(__FILE__, __LINE__, "a seed cannot be written", path);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *name = getenv("FUZZ_TARGET"), *seeds = getenv("FUZZ_SEEDS");
    for (int i = 0; name && fuzz_targets[i]; i++)
        if (strcmp(fuzz_targets[i]->name, name) == 0)
            target = fuzz_targets[i];
    if (!target)
        fuzz_fail(__FILE__, __LINE__, "FUZZ_TARGET: not a target", name);
    if (seeds)
        write_seeds(seeds);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    target->run(data, size);
    return 0;
}

/* One in eight inputs stays unmended. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, room);
    if (target->mend && size && seed % 8)
        target->mend(data, size);
    return size;
}
