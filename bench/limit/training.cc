#include "limit.h"

#include <cmath>

namespace
{

double train(mnist_fast *n, const mnist_fast_images &images, int epochs)
{
    mnist_fast_error error;
    const double begin = mf_now();
    must(mnist_fast_train(n, &images, epochs, nullptr, nullptr, &error), error);
    return mf_now() - begin;
}

void record_phases(const std::string &name, const mf_profile &profile, int threads, double peak)
{
    for (int p = 0; p < MF_PHASES; p++) {
        const std::string phase = name + "/phase/" + mf_phase_name(static_cast<mf_phase>(p));
        const double seconds = profile.seconds[p] / threads;
        record(phase, "s", seconds);
        if (profile.flop[p] > 0)
            record(phase + ", over peak", "x peak", profile.flop[p] / seconds / peak);
    }
}

/* The engine's profile must count the FLOP of training as this program does. */
void check_flop(const mf_profile &profile, double flop)
{
    double sum = 0;
    for (int p = 0; p < MF_PHASES; p++)
        sum += p == MF_PHASE_EVALUATE ? 0 : profile.flop[p];
    if (std::fabs(sum / flop - 1) > 1e-9)
        fail("the profile of a training counts " + std::to_string(sum / 1e9) + " GFLOP; expected " +
             std::to_string(flop / 1e9));
}

} // namespace

/* Threads beyond the cores are compared with the peak of the cores. */
double measure_training(const std::string &isa, int threads, const mnist_fast_images &images)
{
    const int team = std::min(threads, mf_cpu_read().affinity);
    const Network network(isa, threads);
    mnist_fast_set_profiling(network.n, 1);
    const std::string dense = fp32_title(isa); /* R is over the dense limit in fp32, in both precisions */
    const double before = peak_of_team(dense, team), seconds = train(network.n, images, options.epochs);
    const double peak = (before + peak_of_team(dense, team)) / 2;
    size_t trained, held_out;
    mnist_fast_split_counts(images.count, network.n->config.validation_fraction, &trained, &held_out);
    const double flop = training_flop(network.n) * static_cast<double>(trained) * options.epochs;
    check_flop(network.n->profile, flop);

    const std::string name = label("training", isa, threads);
    record(label("FMA peak", dense, team), "GFLOP/s", peak / 1e9);
    if (isa == "amx-bf16" || isa == "avx512bf16-bf16")
        record(label("bf16 peak", isa, team), "GFLOP/s", peak_of_team(isa, team) / 1e9);
    record(name, "s", seconds);
    record(name + "/R", "x", seconds * peak / flop);
    if (threads == team)
        record_phases(name, network.n->profile, threads, peak);
    char crc32[16];
    std::snprintf(crc32, sizeof crc32, "%08x", mnist_fast_weights_crc32(network.n));
    std::fprintf(stderr, "%s: %.3f s, peak %.1f GFLOP/s, R = %.3f, weights crc32 %s\n", name.c_str(), seconds,
                 peak / 1e9, seconds * peak / flop, crc32);
    return seconds;
}

/* Skipping zeros must not cost time where there are none; and what it wins where there are. */
void measure_skipping(const std::string &isa, int threads, const mnist_fast_images &images)
{
    const size_t count = std::min<size_t>(images.count, options.quick ? 3000 : 20000);
    std::vector<uint8_t> noise(count * MF_INPUTS + 16);
    Random random;
    for (uint8_t &pixel : noise)
        pixel = static_cast<uint8_t>(random.bits() >> 56);
    const mnist_fast_images sets[] = {{noise.data(), images.labels, count}, {images.pixels, images.labels, count}};
    for (int round = 0; round < options.repeat; round++)
        for (int set = 0; set < 2; set++) {
            double seconds[2];
            for (const bool dense : {false, true}) {
                const Network network(isa, threads);
                network.n->dense = dense;
                seconds[dense] = train(network.n, sets[set], 1);
            }
            if (set == 0)
                record("noise/" + isa + "/skipping over dense", "x", seconds[0] / seconds[1]);
            else
                record("digits/" + isa + "/dense over skipping", "x", seconds[1] / seconds[0]);
        }
}
