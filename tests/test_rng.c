/* Random numbers: the published vectors, the division into streams, and the numbers that models depend on. */
#include "base/rng.h"

#include "support.h"

#include <string.h>

/* The "philox4x32 10" lines of tests/kat_vectors of Random123 1.14.0. */
static const struct {
    uint32_t counter[4], key[2], expected[4];
} published[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

START_TEST(philox_gives_the_published_vectors)
{
    uint32_t out[4];
    mf_philox4x32(published[_i].counter, published[_i].key, out);
    for (int word = 0; word < 4; word++)
        ck_assert_msg(out[word] == published[_i].expected[word], "vector %d, word %d: expected %08x, found %08x", _i,
                      word, published[_i].expected[word], out[word]);
}
END_TEST

/* Which words of key and counter hold what. */
START_TEST(random_is_a_word_of_the_block)
{
    static const uint64_t seeds[] = {0, 1, UINT64_C(0x123456789abcdef0), UINT64_MAX};
    static const uint32_t streams[] = {0, MF_STREAM_SPLIT, MF_STREAM_ORDER + 4, UINT32_MAX};
    static const uint64_t indices[] = {
        0, 1, 2, 3, 4, 59999, UINT64_C(0x400000000), UINT64_C(0x123456789abcdef3), UINT64_MAX};
    for (int s = 0; s < 4; s++) {
        for (int t = 0; t < 4; t++) {
            for (int i = 0; i < 9; i++) {
                const uint32_t counter[4] = {(uint32_t)(indices[i] >> 2), (uint32_t)(indices[i] >> 34), streams[t], 0};
                const uint32_t key[2] = {(uint32_t)seeds[s], (uint32_t)(seeds[s] >> 32)};
                uint32_t expected[4], block[4];
                mf_philox4x32(counter, key, expected);
                mf_random_block(seeds[s], streams[t], indices[i] >> 2, block);
                ck_assert_msg(memcmp(block, expected, sizeof block) == 0 &&
                                  mf_random(seeds[s], streams[t], indices[i]) == expected[indices[i] & 3],
                              "seed %d, stream %d, index %d of the tables", s, t, i);
            }
        }
    }
}
END_TEST

/* Every trained model depends on these: they must never change. */
START_TEST(random_never_changes)
{
    static const struct {
        uint64_t seed;
        uint32_t stream;
        uint64_t index;
        uint32_t expected;
    } golden[] = {
        {0, 0, 0, 0x6627e8d5}, /* the first published vector */
        {0, 0, 3, 0x9b00dbd8},
        {1, MF_STREAM_SPLIT, 0, 0x07071c12},
        {1, MF_STREAM_ORDER + 4, 59999, 0x447e5273},
        {UINT64_C(0x123456789abcdef0), MF_STREAM_WEIGHTS + 3, UINT64_C(0x123456789abcdef3), 0x31ad1fbc},
    };
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        const uint32_t found = mf_random(golden[i].seed, golden[i].stream, golden[i].index);
        ck_assert_msg(found == golden[i].expected, "line %zu: expected %08x, found %08x", i, golden[i].expected, found);
    }
}
END_TEST

START_TEST(below_stays_below_and_reaches_both_ends)
{
    static const uint32_t limits[] = {1, 2, 3, 10, 60000, 0x80000000, UINT32_MAX};
    for (int i = 0; i < 7; i++) {
        const uint32_t n = limits[i];
        ck_assert_uint_eq(mf_random_below(0, n), 0);
        ck_assert_uint_eq(mf_random_below(UINT32_MAX, n), n - 1);
    }
    uint32_t hits[10] = {0};
    for (uint64_t i = 0; i < 100000; i++) {
        const uint32_t digit = mf_random_below(mf_random(1, 7, i), 10);
        ck_assert_uint_lt(digit, 10);
        hits[digit]++;
    }
    /* 10000 expected, standard deviation 95: six of them. */
    for (int digit = 0; digit < 10; digit++)
        ck_assert_msg(hits[digit] > 9430 && hits[digit] < 10570, "seed 1: %d drawn %u times of 100000", digit,
                      hits[digit]);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("rng");
    TCase *tests = tcase_create("rng");
    tcase_add_loop_test(tests, philox_gives_the_published_vectors, 0, (int)(sizeof published / sizeof *published));
    tcase_add_test(tests, random_is_a_word_of_the_block);
    tcase_add_test(tests, random_never_changes);
    tcase_add_test(tests, below_stays_below_and_reaches_both_ends);
    suite_add_tcase(suite, tests);
    return support_run(suite);
}
