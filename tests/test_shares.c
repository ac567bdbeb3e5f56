/* What the threads of a team share: the items of a phase, and the barrier between two phases. */
#include "engine/shares.h"

#include "base/barrier.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ITEMS_MAX = 1000, THREADS_MAX = 9 };

/* The items in `threads` ranges of random size, some empty, with a random step each. */
static void divide(struct mf_shares *shares, int items, struct random *random, size_t begin[THREADS_MAX + 1])
{
    const int threads = shares->threads;
    begin[0] = 0;
    begin[threads] = (size_t)items;
    for (int i = 1; i < threads; i++) {
        const int left = items - (int)begin[i - 1];
        begin[i] = begin[i - 1] + (size_t)(random_below(random, 4) ? random_below(random, left + 1) : 0);
    }
    for (int i = 0; i < threads; i++)
        mf_shares_set(shares, i, begin[i], begin[i + 1], (size_t)(1 + random_below(random, 50)));
}

static struct mf_shares new_shares(int threads)
{
    struct mf_shares shares;
    mnist_fast_error error;
    if (mf_shares_create(threads, &shares, &error))
        support_fail("%s", error.text);
    return shares;
}

/* In whatever order the threads come: every item once, a thread's own first. */
START_TEST(every_item_once)
{
    for (int threads = 1; threads <= THREADS_MAX; threads++)
        for (int round = 0; round < 50; round++) {
            struct random random = random_from(900, (uint64_t)threads, (uint64_t)round, 0);
            const int items = random_below(&random, round % 10 ? ITEMS_MAX : 5);
            support_case("%d items, %d threads, round %d", items, threads, round);
            struct mf_shares shares = new_shares(threads);
            size_t first[THREADS_MAX + 1], begin, end;
            unsigned char seen[ITEMS_MAX] = {0};
            ck_assert(!mf_shares_take(&shares, 0, &begin, &end)); /* none at first */
            divide(&shares, items, &random, first);
            int left = items;
            for (int thread = random_below(&random, threads); mf_shares_take(&shares, thread, &begin, &end);
                 thread = random_below(&random, threads)) {
                if (begin >= end || end > (size_t)items)
                    support_fail("[%zu, %zu) of %d", begin, end, items);
                bool own_left = false;
                for (size_t i = first[thread]; i < first[thread + 1]; i++)
                    own_left |= !seen[i];
                if (own_left && (begin < first[thread] || begin >= first[thread + 1]))
                    support_fail("thread %d takes %zu, and has items of its own", thread, begin);
                for (size_t i = begin; i < end; i++, left--)
                    if (seen[i]++)
                        support_fail("item %zu comes twice", i);
            }
            ck_assert_int_eq(left, 0);
            mf_shares_free(&shares);
        }
    struct mf_shares none = {0};
    mf_shares_free(&none);
}
END_TEST

/* ---- Threads ---- */

struct team {
    struct mf_barrier barrier;
    struct mf_shares shares;
    int rounds;
    int count[ITEMS_MAX]; /* how often an item was taken; no lock, because the barrier is one */
    int late;             /* a thread that is held up in every phase */
};
struct member {
    struct team *team;
    int thread;
    pthread_t id;
};

static void hold_up(void)
{
    const struct timespec time = {.tv_nsec = 200000};
    nanosleep(&time, NULL);
}

/* In each round every thread gives itself a range, waits, takes what there is, and waits. */
static void *work(void *user)
{
    const struct member *member = user;
    struct team *team = member->team;
    const int threads = team->shares.threads, thread = member->thread;
    for (int round = 0; round < team->rounds; round++) {
        mf_shares_set(&team->shares, thread, (size_t)mf_part_begin(ITEMS_MAX, thread, threads),
                      (size_t)mf_part_begin(ITEMS_MAX, thread + 1, threads), (size_t)(1 + round % 7));
        if (thread == team->late)
            hold_up();
        mf_barrier_wait(&team->barrier);
        if (thread == team->late)
            hold_up();
        for (size_t begin, end; mf_shares_take(&team->shares, thread, &begin, &end);)
            for (size_t i = begin; i < end; i++)
                team->count[i]++;
        mf_barrier_wait(&team->barrier);
    }
    return NULL;
}

static void expect_rounds(int threads, int spin, int late)
{
    support_case("%d threads, spin %d, late %d", threads, spin, late);
    struct team *team = calloc(1, sizeof *team);
    ck_assert_ptr_nonnull(team);
    team->rounds = support_short ? 50 : 500;
    team->late = late;
    team->shares = new_shares(threads);
    mf_barrier_init(&team->barrier, threads, spin);
    struct member member[THREADS_MAX];
    for (int i = 0; i < threads; i++) {
        member[i] = (struct member){.team = team, .thread = i};
        ck_assert_int_eq(pthread_create(&member[i].id, NULL, work, &member[i]), 0);
    }
    for (int i = 0; i < threads; i++)
        pthread_join(member[i].id, NULL);
    for (int i = 0; i < ITEMS_MAX; i++)
        if (team->count[i] != team->rounds)
            support_fail("item %d was taken %d times in %d rounds", i, team->count[i], team->rounds);
    mf_barrier_destroy(&team->barrier);
    mf_shares_free(&team->shares);
    free(team);
}

START_TEST(teams)
{
    for (int threads = 1; threads <= THREADS_MAX; threads += 1 + threads / 3)
        for (int spin = 0; spin < 2; spin++)
            for (int late = -1; late < threads; late += threads)
                expect_rounds(threads, spin, late);
}
END_TEST

/* A thread that waits for long sleeps, whether it spins at first or not. */
static void *arrive_late(void *barrier)
{
    const struct timespec time = {.tv_nsec = 300000000};
    nanosleep(&time, NULL);
    mf_barrier_wait(barrier);
    return NULL;
}

START_TEST(waiting_is_asleep)
{
    struct mf_barrier barrier;
    mf_barrier_init(&barrier, 2, _i);
    pthread_t other;
    ck_assert_int_eq(pthread_create(&other, NULL, arrive_late, &barrier), 0);
    struct timespec before, after;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    mf_barrier_wait(&barrier);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    pthread_join(other, NULL);
    mf_barrier_destroy(&barrier);
    const double used = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    if (used > 0.05)
        support_fail("%.0f ms of CPU time for 300 ms", 1e3 * used);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("shares");
    TCase *tcase = tcase_create("shares");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, every_item_once);
    tcase_add_test(tcase, teams);
    tcase_add_loop_test(tcase, waiting_is_asleep, 0, 2);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
