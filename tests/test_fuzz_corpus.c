/* Every fuzz target on its seeds, and on mutations of them that are the same in every run. `make fuzz` goes further. */
#include "fuzz/fuzz.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

static uint8_t input[FUZZ_LARGEST], other[FUZZ_LARGEST];

static void insert(size_t *size, size_t at, const uint8_t *bytes, size_t length)
{
    if (*size + length > FUZZ_LARGEST)
        return;
    memmove(input + at + length, input + at, *size - at);
    memcpy(input + at, bytes, length);
    *size += length;
}

static void erase(size_t *size, size_t at, size_t length)
{
    length = length < *size - at ? length : *size - at;
    memmove(input + at, input + at + length, *size - at - length);
    *size -= length;
}

/* Most changes near the beginning, where headers are. */
static size_t some_place(size_t size, struct random *random)
{
    const size_t range = random_below(random, 2) && size > 400 ? 400 : size;
    return (size_t)random_below(random, (int)range);
}

static void mutate(size_t *size, size_t other_size, struct random *random)
{
    static const uint8_t edges[] = {0, 1, 9, 0x7f, 0x80, 0xff, '0', '9', '-', '"', '{', ']', ' ', '\n'};
    for (int changes = 1 + random_below(random, 4); changes > 0 && *size > 0; changes--) {
        const size_t at = some_place(*size, random), length = 1 + (size_t)random_below(random, 16);
        const size_t from = (size_t)random_below(random, (int)other_size);
        const size_t part = length < other_size - from ? length : other_size - from;
        uint8_t copy[16];
        memcpy(copy, other + from, part);
        switch (random_below(random, 7)) {
        case 0: input[at] ^= (uint8_t)(1 << random_below(random, 8)); break;
        case 1: memset(input + at, edges[random_below(random, sizeof edges)], part < *size - at ? part : 1); break;
        case 2: input[at] = (uint8_t)(input[at] + random_below(random, 9) - 4); break;
        case 3: insert(size, at, copy, part); break;
        case 4: erase(size, at, length); break;
        case 5: memcpy(input + at, copy, part < *size - at ? part : *size - at); break;
        case 6: *size = random_below(random, 8) ? *size : at; break;
        }
    }
}

START_TEST(seeds_and_mutations)
{
    const struct fuzz_target *target = fuzz_targets[_i];
    const int mutations = support_short ? target->mutations / 5 : target->mutations;
    struct random random = random_from(900, (uint64_t)_i, 0, 0);
    size_t size, other_size = 0;
    int seeds = 0;
    for (; (size = target->seed(seeds, input)) > 0; seeds++) {
        support_case("%s, seed %d", target->name, seeds);
        target->run(input, size);
        if (!other_size)
            memcpy(other, input, other_size = size);
    }
    ck_assert_int_ge(seeds, 5);
    for (int i = 0; i < mutations; i++) {
        const int number = random_below(&random, seeds);
        size = target->seed(number, input);
        support_case("%s, seed %d, mutation %d", target->name, number, i);
        mutate(&size, other_size, &random);
        if (target->mend && size && random_below(&random, 8))
            target->mend(input, size);
        target->run(input, size);
        if (size && random_below(&random, 4) == 0)
            memcpy(other, input, other_size = size);
    }
    target->run(input, 0);
}
END_TEST

/* A checksum or length that a mutation made wrong must be corrected, or fuzzing would test that check alone. */
START_TEST(mended)
{
    const struct fuzz_target *target = fuzz_targets[_i];
    size_t size;
    for (int i = 0; target->mend && (size = target->seed(i, input)) > 0; i++) {
        support_case("%s, seed %d", target->name, i);
        memcpy(other, input, size);
        target->mend(input, size);
        ck_assert_mem_eq(input, other, size); /* a seed needs no mending */
    }
}
END_TEST

int main(void)
{
    support_begin();
    int targets = 0;
    while (fuzz_targets[targets])
        targets++;
    Suite *suite = suite_create("fuzz_corpus");
    TCase *tcase = tcase_create("fuzz_corpus");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, seeds_and_mutations, 0, targets);
    tcase_add_loop_test(tcase, mended, 0, targets);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
