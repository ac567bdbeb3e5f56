#include "limit.h"

#include <cmath>
#include <omp.h>

double slice_seconds()
{
    return options.quick ? 0.01 : 0.1;
}

double peak_of_thread(const std::string &isa)
{
    std::vector<double> rates;
    const double begin = thread_seconds();
    double last = begin;
    while (last - begin < slice_seconds()) {
        const double flop = fma_rounds(isa, 40000), now = thread_seconds();
        rates.push_back(flop / (now - last));
        last = now;
    }
    return median(rates);
}

double peak_of_team(const std::string &isa, int threads)
{
    double sum = 0;
#pragma omp parallel num_threads(threads) reduction(+ : sum)
    sum += peak_of_thread(isa);
    return sum;
}

/* GB/s that a team reads, each thread from `bytes` of its own. */
void measure_bandwidth(const char *level, size_t bytes, int threads)
{
    typedef uint64_t line __attribute__((vector_size(16)));
    double sum = 0;
#pragma omp parallel num_threads(threads) reduction(+ : sum)
    {
        const Buffer<uint8_t> buffer(bytes);
        const line *const lines = reinterpret_cast<const line *>(buffer.get());
        const size_t count = bytes / sizeof(line);
        line a = {}, b = {}, c = {}, d = {};
        double read = 0, seconds = 0;
#pragma omp barrier
        for (const double begin = thread_seconds(); seconds < slice_seconds(); seconds = thread_seconds() - begin) {
            for (size_t i = 0; i + 4 <= count; i += 4) {
                a |= lines[i];
                b |= lines[i + 1];
                c |= lines[i + 2];
                d |= lines[i + 3];
            }
            benchmark::ClobberMemory();
            read += static_cast<double>(bytes);
        }
        benchmark::DoNotOptimize(a | b | c | d);
        sum += read / seconds;
    }
    record(std::string("bandwidth/") + level + "/threads:" + std::to_string(threads), "GB/s", sum / 1e9);
}

double measure_barrier(int threads)
{
    const int rounds = 1000;
    double least = HUGE_VAL;
#pragma omp parallel num_threads(threads)
    for (int i = 0; i < 20; i++) {
#pragma omp barrier
        const double begin = mf_now();
        for (int j = 0; j < rounds; j++) {
#pragma omp barrier
        }
#pragma omp single
        least = std::min(least, (mf_now() - begin) / rounds);
    }
    record("barrier/threads:" + std::to_string(threads), "us", 1e6 * least);
    return least;
}
