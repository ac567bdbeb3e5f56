/* How near the engine comes to the limit of this CPU: one process, in which the FMA peak and what is held against it
 * are measured in turn, so that a clock that drifts or a busy neighbour moves both.
 *
 * R is the time of a training over its dense limit: the time that its multiply-adds would take at the FMA peak of the
 * same instruction set on the same number of threads if no zero were skipped. The peak of a training is the mean of one
 * measured just before and one just after; every peak is the median of slices of a few milliseconds. */
#include "common.h"

#include <cmath>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <omp.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern "C" {
#include "engine/adam.h"
#include "engine/step.h"
}

namespace
{

struct Options {
    std::vector<std::string> isas;
    std::vector<int> threads;
    int repeat = 5, epochs = 5;
    bool quick = false;
    std::string json, data = "data", program = "./mnist_fast";
} options;

double load; /* of the machine before anything was measured: what else it is doing */

[[noreturn]] void fail(const std::string &text, int status = 1)
{
    std::fprintf(stderr, "limit: %s\n", text.c_str());
    std::exit(status);
}

void must(mnist_fast_status status, const mnist_fast_error &error)
{
    if (status)
        fail(error.text);
}

/* ---- What was measured ---- */

double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    const size_t n = values.size();
    return n ? (values[n / 2] + values[(n - 1) / 2]) / 2 : 0;
}

struct Measurement {
    std::string name, task;
    std::vector<double> values;
};
std::vector<Measurement> measurements; /* in the order in which they were first seen */

void record(const std::string &name, const char *task, double value)
{
    const auto same = [&](const Measurement &m) { return m.name == name; };
    auto m = std::find_if(measurements.begin(), measurements.end(), same);
    if (m == measurements.end())
        m = measurements.insert(m, {name, task, {}});
    m->values.push_back(value);
}

/* What must be reached, and what would be better still. In the names, * stands for an instruction set. */
struct Target {
    const char *name;
    double must, goal;
} const targets[] = {
    {"training/*/threads:2/R", 1.00, 0.88},
    {"training/*/threads:16/over threads:2", 1.3, 1.05},
    {"kernel/*/threads:[12]/forward", 0.92, 0.96},
    {"kernel/*/threads:[12]/input gradient", 0.92, 0.96},
    {"kernel/*/threads:[12]/weight gradient", 0.92, 0.96},
    {"kernel/*/threads:[12]/layer 1, forward", 1.9, 2.4},
    {"kernel/*/threads:[12]/layer 1, weight gradient", 1.9, 2.4},
    {"test set/*/threads:2/over its dense limit", 0.90, 0.75},
    {"one image/*/threads:1", 60, 25},
    {"program/peak memory", 160, 110},
    {"program/outside training", 0.25, 0.10},
    {"noise/*/lists allowed over dense", 1.02, 1.00},
};

/* How a median stands to its target: 2 goal, 1 must, 0 neither, -1 there is none. */
int grade(const Measurement &m, const Target **target)
{
    for (const Target &t : targets)
        if (!fnmatch(t.name, m.name.c_str(), 0)) {
            const double sign = t.goal > t.must ? 1 : -1, value = sign * median(m.values);
            *target = &t;
            return value >= sign * t.goal ? 2 : value >= sign * t.must ? 1 : 0;
        }
    return -1;
}

const Measurement *find(const std::string &name)
{
    for (const Measurement &m : measurements)
        if (m.name == name)
            return &m;
    return nullptr;
}

void print_table()
{
    static const char *const words[] = {"MISSED", "must reached", "goal reached"};
    std::printf("%-62s %10s %-8s %6s %7s %7s\n", "median", "", "", "+-%", "must", "goal");
    for (const Measurement &m : measurements) {
        if (m.name.find("/phase/") != std::string::npos || !m.name.rfind("prediction/", 0) ||
            !m.name.rfind("block/", 0))
            continue;
        const double middle = median(m.values);
        const auto range = std::minmax_element(m.values.begin(), m.values.end());
        const Target *target;
        const int g = grade(m, &target);
        std::printf("%-62s %10.4g %-8s %6.1f", m.name.c_str(), middle, m.task.c_str(),
                    middle > 0 ? 50 * (*range.second - *range.first) / middle : 0);
        if (g >= 0)
            std::printf(" %7.4g %7.4g  %s", target->must, target->goal, words[g]);
        std::printf("\n");
    }
}

/* Where a training's time goes; rates are dense-equivalent. */
void print_phases(const std::string &training)
{
    const Measurement *const whole = find(training);
    std::printf("\n%-28s %9s %7s %7s\n", training.c_str(), "s", "share", "x peak");
    for (int p = 0; p < MF_PHASES; p++) {
        const std::string name = mf_phase_name(static_cast<mf_phase>(p));
        const double seconds = median(find(training + "/phase/" + name)->values);
        const Measurement *const rate = find(training + "/phase/" + name + ", over peak");
        std::printf("  %-26s %9.4f %6.1f%%", name.c_str(), seconds, 100 * seconds / median(whole->values));
        std::printf(rate ? " %7.3f\n" : "\n", rate ? median(rate->values) : 0);
    }
}

std::string quoted(const std::string &text)
{
    std::string out = "\"";
    for (const char c : text)
        out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    return out + "\"";
}

void write_json(const std::string &path)
{
    FILE *const file = std::fopen(path.c_str(), "w");
    if (!file)
        fail(path + ": cannot be written: " + std::strerror(errno));
    std::fprintf(file, "{\n  \"context\": {\"cpu\": %s, \"cpus\": %d, \"load\": %.2f, ", quoted(cpu_model()).c_str(),
                 mf_cpu_read().affinity, load);
    std::fprintf(file, "\"repeat\": %d, \"epochs\": %d,\n    \"commit\": %s,\n    \"compiler\": %s, \"flags\": %s},\n",
                 options.repeat, options.epochs, quoted(line_of("git describe --always --dirty 2>/dev/null")).c_str(),
                 quoted(__VERSION__).c_str(), quoted(build_flags()).c_str());
    std::fprintf(file, "  \"measurements\": [");
    for (const Measurement &m : measurements) {
        std::fprintf(file, "%s\n    {\"name\": %s, \"task\": %s, \"median\": %.9g", &m == &measurements[0] ? "" : ",",
                     quoted(m.name).c_str(), quoted(m.task).c_str(), median(m.values));
        const Target *target;
        if (grade(m, &target) >= 0)
            std::fprintf(file, ", \"must\": %g, \"goal\": %g", target->must, target->goal);
        std::fprintf(file, ", \"values\": [");
        for (const double &value : m.values)
            std::fprintf(file, "%s%.9g", &value == &m.values[0] ? "" : ", ", value);
        std::fprintf(file, "]}");
    }
    std::fprintf(file, "\n  ]\n}\n");
    if (std::fclose(file))
        fail(path + ": cannot be written: " + std::strerror(errno));
}

/* ---- The FMA peak ---- */

double slice_seconds()
{
    return options.quick ? 0.01 : 0.1;
}

/* FLOP/s of the calling thread, measured now. */
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

/* FLOP/s of a team. */
double peak_of_team(const std::string &isa, int threads)
{
    double sum = 0;
#pragma omp parallel num_threads(threads) reduction(+ : sum)
    sum += peak_of_thread(isa);
    return sum;
}

/* ---- A network and the images ---- */

struct Network {
    mnist_fast *n = nullptr;
    Network(const std::string &isa, int threads, float learning_rate = 1e-3f)
    {
        mnist_fast_config config;
        mnist_fast_default_config(&config);
        config.learning_rate = learning_rate;
        const mnist_fast_runtime machine = {isa.c_str(), threads};
        mnist_fast_error error;
        must(mnist_fast_create(&config, &machine, &n, &error), error);
    }
    Network(const Network &) = delete;
    Network &operator=(const Network &) = delete;
    ~Network()
    {
        mnist_fast_free(n);
    }
};

/* Dense work for one image: forward alone, and a whole training step (no input gradient for the first layer). */
double forward_flop(const mnist_fast *n)
{
    double sum = 0;
    for (int l = 0; l < n->layers; l++)
        sum += 2.0 * n->layer[l].in * n->layer[l].out;
    return sum;
}

double step_flop(const mnist_fast *n)
{
    return 3 * forward_flop(n) - 2.0 * n->layer[0].in * n->layer[0].out;
}

mnist_fast_images view(const mf_dataset &set)
{
    return {set.pixels, set.labels, set.count};
}

/* ---- A whole training ---- */

std::string label(const char *what, const std::string &isa, int threads)
{
    return std::string(what) + "/" + isa + "/threads:" + std::to_string(threads);
}

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

/* Returns the seconds. Threads beyond the cores are held against the peak of the cores. */
double measure_training(const std::string &isa, int threads, const mnist_fast_images &images)
{
    const int team = std::min(threads, mf_cpu_read().affinity);
    const Network network(isa, threads);
    mf_profile profile = {};
    network.n->profile = &profile;
    const double before = peak_of_team(isa, team), seconds = train(network.n, images, options.epochs);
    const double peak = (before + peak_of_team(isa, team)) / 2;
    const size_t held_out = static_cast<size_t>(0.1 * static_cast<double>(images.count) + 0.5);
    const double flop = step_flop(network.n) * static_cast<double>(images.count - held_out) * options.epochs;
    const std::string name = label("training", isa, threads);
    record(label("FMA peak", isa, team), "GFLOP/s", peak / 1e9);
    record(name, "s", seconds);
    record(name + "/R", "x", seconds * peak / flop);
    if (threads == team)
        record_phases(name, profile, threads, peak);
    char crc32[16];
    std::snprintf(crc32, sizeof crc32, "%08x", mnist_fast_weights_crc32(network.n));
    std::fprintf(stderr, "%s: %.3f s, peak %.1f GFLOP/s, R = %.3f, weights crc32 %s\n", name.c_str(), seconds,
                 peak / 1e9, seconds * peak / flop, crc32);
    return seconds;
}

/* ---- Kernels, one batch at the network's own shapes, divided over threads as in a step ---- */

struct Work {
    mnist_fast *n;
    std::vector<mf_task> tasks; /* weight gradients: hidden layers first, then layer 1 */
    size_t hidden_units;
    mf_adam adam;
};

void forward(const Work &work, int layer, const mf_lists *lists, int begin, int end)
{
    const mf_layer &l = work.n->layer[layer];
    mf_workspace *const w = work.n->workspace;
    mf_forward op = {};
    op.lists = lists;
    op.x = layer ? w->y[layer - 1] : w->x;
    op.w = l.w;
    op.bias = l.w.data + static_cast<size_t>(l.bias_row) * MF_PANEL;
    op.y = w->y[layer];
    op.in = l.in;
    op.panels = l.panels;
    op.relu = true;
    (lists ? work.n->kernels->forward_sparse : work.n->kernels->forward)(&op, begin, end);
}

void input_gradient(const Work &work, int layer, int begin, int end)
{
    const mf_layer &l = work.n->layer[layer];
    mf_workspace *const w = work.n->workspace;
    mf_input_gradient op = {};
    op.dz = w->dy[layer];
    op.wt = l.wt;
    op.h = w->y[layer - 1];
    op.dx = w->dy[layer - 1];
    op.out = l.out;
    op.panels = work.n->layer[layer - 1].panels;
    work.n->kernels->input_gradient(&op, begin, end);
}

/* CPU time of one thread: other programs on the machine must not count against a kernel. */
struct Spent {
    double lists, all;
};

void weight_update(const Work &work, size_t begin, size_t end, mf_lists *lists, Spent *spent)
{
    const mf_kernels *const kernels = work.n->kernels;
    mf_workspace *const w = work.n->workspace;
    int listed = -1;
    lists->depth = w->samples;
    for (size_t i = begin; i < end; i++) {
        const mf_task &u = work.tasks[i];
        const mf_layer &l = work.n->layer[u.layer];
        mf_weight_update op = {};
        op.x = u.layer ? w->y[u.layer - 1] : w->x;
        op.lists = lists;
        op.dz = w->dy[u.layer];
        op.samples = w->samples;
        op.w = l.w;
        op.m = l.m;
        op.v = l.v;
        op.adam = work.adam;
        if (u.layer == 0 && u.begin != listed) {
            const double start = thread_seconds();
            kernels->pack_pixels(w->pixels, w->samples, u.begin, u.end, lists);
            listed = u.begin;
            spent->lists += thread_seconds() - start;
        }
        (u.layer ? kernels->weight_update : kernels->weight_update_sparse)(&op, u.begin, u.end, u.first, u.last);
    }
}

enum { FORWARD, INPUT_GRADIENT, WEIGHT_UPDATE, FORWARD1, WEIGHT_GRADIENT1, KERNELS };
const char *const kernel_names[KERNELS] = {"forward", "input gradient", "weight update", "layer 1, forward",
                                           "layer 1, weight gradient"};

/* One thread's share of one pass over the batch. */
void run_kernel(const Work &work, int kernel, size_t thread, size_t threads, Spent *spent)
{
    mf_lists *const lists = &work.n->workspace->lists[thread * static_cast<size_t>(work.n->layers)];
    const size_t hidden = work.hidden_units, rest = work.tasks.size() - hidden;
    if (kernel == WEIGHT_UPDATE) {
        weight_update(work, hidden * thread / threads, hidden * (thread + 1) / threads, lists, spent);
        return;
    }
    if (kernel == WEIGHT_GRADIENT1) {
        weight_update(work, hidden + rest * thread / threads, hidden + rest * (thread + 1) / threads, lists, spent);
        return;
    }
    const int part = static_cast<int>(thread), parts = static_cast<int>(threads), samples = work.n->workspace->samples;
    const int first = mf_share(samples, part, parts), stop = mf_share(samples, part + 1, parts);
    const int height = mf_block_rows(work.n, stop - first), last = work.n->layers - 1;
    lists->depth = MF_INPUTS;
    for (int begin = first; begin < stop; begin += height) {
        const int end = std::min(begin + height, stop);
        if (kernel == FORWARD1) {
            const double start = thread_seconds();
            work.n->kernels->pack_samples(work.n->workspace->pixels, begin, end, lists);
            spent->lists += thread_seconds() - start;
            forward(work, 0, lists, begin, end);
        }
        for (int l = 1; l < last && kernel == FORWARD; l++)
            forward(work, l, nullptr, begin, end);
        for (int l = last - 1; l > 0 && kernel == INPUT_GRADIENT; l--)
            input_gradient(work, l, begin, end);
    }
}

double kernel_flop(const mnist_fast *n, int kernel)
{
    double sum = 0;
    for (int l = kernel < FORWARD1 ? 1 : 0; l < (kernel < FORWARD1 ? n->layers - 1 : 1); l++)
        sum += 2.0 * n->layer[l].in * n->layer[l].out;
    return sum * n->workspace->samples;
}

/* A batch half way through a step: every operand is what it is in training. The learning rate is next to nothing, so
 * that it stays so however often the weights are updated. */
void make_work(Work &work, const mnist_fast_images &images)
{
    mnist_fast *const n = work.n;
    const int samples = n->config.batch_size;
    mnist_fast_error error;
    must(mf_workspace_reserve(n, samples, &error), error);
    std::vector<uint8_t> kinds(static_cast<size_t>(samples));
    std::vector<uint32_t> order(kinds.size()), buffer(kinds.size());
    for (size_t i = 0; i < kinds.size(); i++) {
        kinds[i] = mf_sort_key(images.pixels + i * MF_INPUTS, images.labels[i]);
        order[i] = static_cast<uint32_t>(i);
    }
    mf_sort_batches(kinds.data(), kinds.size(), buffer.data(), order.data(), kinds.size());
    mf_gather(n->workspace, &images, order.data(), 0, kinds.size(), 0);
    mf_clock untimed = {};
    mf_rows rows = {};
    rows.end = rows.batch = samples;
    rows.sparse = rows.labels = rows.gradients = true;
    mf_forward_backward(n, &rows, &untimed);
    double density[MF_PIXEL_BLOCKS];
    mf_measure_density(n, samples, density);
    mf_partition partition;
    must(mf_partition_make(n, density, &partition, &error), error);
    for (const bool hidden : {true, false}) {
        for (size_t i = 0; i < partition.count; i++) {
            const mf_task &u = partition.tasks[i];
            const bool bias = u.begin == n->layer[u.layer].bias_row, last = u.layer == n->layers - 1;
            if (!bias && !last && (u.layer > 0) == hidden)
                work.tasks.push_back(u);
        }
        if (hidden)
            work.hidden_units = work.tasks.size();
    }
    mf_partition_free(&partition);
    work.adam = mf_adam_constants(&n->config, 1000);
}

void measure_kernels(const std::string &isa, int threads, const mnist_fast_images &images)
{
    const Network network(isa, threads, 1e-20f);
    Work work = {network.n, {}, 0, {}};
    make_work(work, images);
    for (int round = 0; round < (options.quick ? 2 : 15); round++) {
        double before = 0, after = 0;
        Spent pass[KERNELS] = {}; /* summed over threads */
#pragma omp parallel num_threads(threads) reduction(+ : before, after)
        {
            before += peak_of_thread(isa);
            for (int k = 0; k < KERNELS; k++) {
                Spent mine = {};
                int count = 0;
#pragma omp barrier
                const double begin = thread_seconds();
                do {
                    run_kernel(work, k, static_cast<size_t>(omp_get_thread_num()),
                               static_cast<size_t>(omp_get_num_threads()), &mine);
                    count++;
                    mine.all = thread_seconds() - begin;
                } while (mine.all < slice_seconds());
#pragma omp critical
                {
                    pass[k].lists += mine.lists / count;
                    pass[k].all += mine.all / count;
                }
#pragma omp barrier
            }
            after += peak_of_thread(isa);
        }
        const double peak = (before + after) / 2;
        for (int k = 0; k < KERNELS; k++) {
            const std::string name = label("kernel", isa, threads) + "/" + kernel_names[k];
            const double flop = kernel_flop(network.n, k) * threads, rate = flop / (pass[k].all - pass[k].lists);
            record(name, "x peak", rate / peak);
            if (pass[k].lists > 0)
                record(name + ", with its lists", "x peak", flop / pass[k].all / peak);
            record(name + ", rate", "GFLOP/s", rate / 1e9);
        }
    }
}

/* ---- The test set, one image, noise ---- */

void measure_test_set(const std::string &isa, int threads, const mnist_fast_images &images)
{
    const Network network(isa, threads);
    for (int round = 0; round < (options.quick ? 2 : 9); round++) {
        mnist_fast_metrics metrics;
        mnist_fast_error error;
        const double before = peak_of_team(isa, threads), begin = mf_now();
        must(mnist_fast_evaluate(network.n, &images, &metrics, nullptr, &error), error);
        const double seconds = mf_now() - begin, peak = (before + peak_of_team(isa, threads)) / 2;
        const std::string name = label("test set", isa, threads);
        record(name, "s", seconds);
        record(name + "/over its dense limit", "x",
               seconds * peak / (forward_flop(network.n) * static_cast<double>(images.count)));
    }
}

void measure_one_image(const std::string &isa, const mnist_fast_images &images)
{
    const Network network(isa, 1);
    std::vector<double> times;
    for (int i = 0; i < (options.quick ? 200 : 5000); i++) {
        const mnist_fast_images one = {images.pixels + static_cast<size_t>(i) % images.count * MF_INPUTS, nullptr, 1};
        uint8_t digit;
        mnist_fast_error error;
        const double begin = mf_now();
        must(mnist_fast_predict(network.n, &one, &digit, nullptr, &error), error);
        times.push_back(1e6 * (mf_now() - begin));
    }
    record(label("one image", isa, 1), "us", median(times));
}

/* Lists must not cost where there is no zero to skip. And what they win where there is. */
void measure_lists(const std::string &isa, int threads, const mnist_fast_images &images)
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
                record("noise/" + isa + "/lists allowed over dense", "x", seconds[0] / seconds[1]);
            else
                record("digits/" + isa + "/dense over lists", "x", seconds[1] / seconds[0]);
        }
}

/* ---- Ceilings and scaling ---- */

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

/* What the largest share of a batch costs, in blocks of `cost` by their rows, cut as mf_forward_backward does it. */
double heaviest_rows(const std::vector<double> &cost, int samples, int threads)
{
    double most = 0;
    for (int t = 0; t < threads; t++) {
        const int rows = mf_share(samples, t + 1, threads) - mf_share(samples, t, threads);
        const int blocks = (rows + MF_BLOCK_ROWS - 1) / MF_BLOCK_ROWS;
        double sum = 0;
        for (int b = 0; b < blocks; b++)
            sum += cost[static_cast<size_t>(mf_share(rows, b + 1, blocks) - mf_share(rows, b, blocks))];
        most = std::max(most, sum);
    }
    return most;
}

double heaviest_units(const mf_partition &partition, int threads)
{
    double most = 0;
    for (int t = 0; t < threads; t++) {
        double sum = 0;
        for (size_t u = mf_partition_begin(&partition, t, threads); u < mf_partition_begin(&partition, t + 1, threads);
             u++)
            sum += partition.tasks[u].cost;
        most = std::max(most, sum);
    }
    return most;
}

/* A training on more cores than there are here: the measured time of one thread, divided as the engine divides it. It
 * assumes that every core is as fast as one is here alone, that all data stays in caches that grow with the cores, and
 * that a barrier costs what it costs two threads here times log2(threads). */
void predict_scaling(const std::string &isa, const mnist_fast_images &images)
{
    const Network network(isa, 1);
    mnist_fast *const n = network.n;
    Work work = {n, {}, 0, {}};
    make_work(work, images);
    std::vector<double> cost(MF_BLOCK_ROWS + 1);
    for (int rows = 1; rows <= MF_BLOCK_ROWS; rows++) {
        std::vector<double> times;
        for (int i = 0; i < (options.quick ? 10 : 200); i++) {
            const double begin = thread_seconds();
            forward(work, 1, nullptr, 0, rows);
            times.push_back(thread_seconds() - begin);
        }
        cost[static_cast<size_t>(rows)] = *std::min_element(times.begin(), times.end());
        record("block/" + isa + "/rows:" + std::to_string(rows), "us", 1e6 * cost[static_cast<size_t>(rows)]);
    }
    double density[MF_PIXEL_BLOCKS];
    mf_measure_density(n, n->config.batch_size, density);
    mf_partition partition;
    mnist_fast_error error;
    must(mf_partition_make(n, density, &partition, &error), error);

    const std::string phase = label("training", isa, 1) + "/phase/";
    double rows = 0, tasks = 0, serial = 0;
    for (int p = 0; p < MF_PHASES; p++) {
        const double seconds = median(find(phase + mf_phase_name(static_cast<mf_phase>(p)))->values);
        const bool is_units = p == MF_PHASE_WEIGHT_UPDATE1 || p == MF_PHASE_WEIGHT_UPDATE;
        (is_units ? tasks : p == MF_PHASE_OTHER || p == MF_PHASE_WAIT ? serial : rows) += seconds;
    }
    const double barrier = measure_barrier(2), barriers = 2 * options.epochs * std::ceil(0.9 * images.count / 1000.0);
    for (int threads = 1; threads <= 64; threads++) {
        const double by_rows = heaviest_rows(cost, 1000, threads) / heaviest_rows(cost, 1000, 1);
        const double by_units = heaviest_units(partition, threads) / heaviest_units(partition, 1);
        record(label("prediction", isa, threads), "s",
               rows * by_rows + tasks * by_units + serial + barriers * barrier * std::log2(threads));
    }
    mf_partition_free(&partition);
}

/* ---- The program, as a process of its own ---- */

double number_after(const std::string &text, const char *key)
{
    const size_t at = text.rfind(key);
    if (at == std::string::npos)
        fail(options.program + ": its output has no " + key);
    return std::strtod(text.c_str() + at + std::strlen(key), nullptr);
}

/* Must come before this process has grown: Linux lets a child's peak memory begin at its parent's. */
void measure_program()
{
    char folder[] = "/tmp/mnist_fast_limit_XXXXXX";
    if (!mkdtemp(folder))
        fail(std::string(folder) + ": " + std::strerror(errno));
    const std::string model = std::string(folder) + "/model.safetensors";
    const std::string epochs = std::to_string(options.epochs);
    const char *const argv[] = {options.program.c_str(),
                                "--json",
                                "--data",
                                options.data.c_str(),
                                "--epochs",
                                epochs.c_str(),
                                "--threads",
                                "2",
                                "--save",
                                model.c_str(),
                                "--validation",
                                options.quick ? "0.9" : "0.1",
                                nullptr};
    for (int round = 0; round < options.repeat; round++) {
        int ends[2];
        if (pipe(ends))
            fail(std::string("pipe: ") + std::strerror(errno));
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
        posix_spawn_file_actions_addclose(&actions, ends[0]);
        posix_spawn_file_actions_addclose(&actions, ends[1]);
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        pid_t child;
        const double begin = mf_now();
        const int problem = posix_spawn(&child, argv[0], &actions, nullptr, const_cast<char **>(argv), environ);
        if (problem)
            fail(options.program + ": " + std::strerror(problem));
        posix_spawn_file_actions_destroy(&actions);
        close(ends[1]);
        std::string output;
        char part[4096];
        for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;)
            output.append(part, static_cast<size_t>(n));
        close(ends[0]);
        int status;
        rusage usage;
        wait4(child, &status, 0, &usage);
        const double seconds = mf_now() - begin;
        if (status)
            fail(options.program + ": failed; run it by hand to see why");
        record("program/whole run", "s", seconds);
        record("program/outside training", "s", seconds - number_after(output, "\"train_seconds\":"));
        record("program/peak memory", "MB", static_cast<double>(usage.ru_maxrss) * 1024 / 1e6);
    }
    unlink(model.c_str());
    rmdir(folder);
}

/* ---- main ---- */

std::vector<std::string> split(const std::string &text)
{
    std::vector<std::string> parts(1);
    for (const char c : text)
        if (c == ',')
            parts.emplace_back();
        else
            parts.back() += c;
    return parts;
}

void read_options(int argc, char **argv)
{
    static const option table[] = {
        {"isa", 1, nullptr, 'i'},     {"threads", 1, nullptr, 't'},
        {"repeat", 1, nullptr, 'r'},  {"quick", 0, nullptr, 'q'},
        {"json", 1, nullptr, 'j'},    {"data", 1, nullptr, 'd'},
        {"program", 1, nullptr, 'p'}, {},
    };
    for (int c; (c = getopt_long(argc, argv, "", table, nullptr)) != -1;)
        switch (c) {
        case 'i': options.isas = split(optarg); break;
        case 't':
            for (const std::string &number : split(optarg))
                options.threads.push_back(std::atoi(number.c_str()));
            break;
        case 'r': options.repeat = std::atoi(optarg); break;
        case 'q': options.quick = true; break;
        case 'j': options.json = optarg; break;
        case 'd': options.data = optarg; break;
        case 'p': options.program = optarg; break;
        default:
            fail("usage: limit [--isa avx512,avx2] [--threads 1,2] [--repeat 5] [--quick] [--json FILE] [--data DIR] "
                 "[--program FILE]",
                 2);
        }
    if (options.quick)
        options.repeat = options.epochs = 1;
    for (const mf_kernels *const *isa = mf_isas; options.isas.empty() && *isa; isa++)
        if (!(*isa)->supported() || fma_rounds((*isa)->name, 1) == 0)
            std::printf("%s: skipped, %s\n", (*isa)->name,
                        (*isa)->supported() ? "it has no peak to be held against" : "this CPU does not run it");
    if (options.isas.empty())
        for (const mf_kernels *const *isa = mf_isas; *isa; isa++)
            if ((*isa)->supported() && fma_rounds((*isa)->name, 1) > 0)
                options.isas.push_back((*isa)->name);
    for (const std::string &isa : options.isas)
        if (!mf_kernels_choose(isa.c_str()) || fma_rounds(isa, 1) == 0)
            fail(isa + ": not known or not supported here", 2);
    if (options.threads.empty())
        options.threads = mf_cpu_read().affinity > 1 ? std::vector<int>{1, 2} : std::vector<int>{1};
    for (const int threads : options.threads)
        if (threads < 1 || threads > mf_cpu_read().affinity)
            fail("--threads: expected 1 to the number of processors", 2);
    if (options.repeat < 1)
        fail("--repeat: expected at least 1", 2);
}

} // namespace

int main(int argc, char **argv)
{
    read_options(argc, argv);
    if (getloadavg(&load, 1) == 1 && load > 0.5)
        std::printf("This machine is busy (load %.1f): times on the wall count that in full, kernels partly.\n", load);
    measure_program();

    mf_dataset all, test;
    mnist_fast_error error;
    must(mf_dataset_load(options.data.c_str(), MF_TRAIN, &all, &error), error);
    must(mf_dataset_load(options.data.c_str(), MF_TEST, &test, &error), error);
    mnist_fast_images images = view(all), test_images = view(test);
    if (options.quick) {
        images.count = std::min<size_t>(images.count, 4000);
        test_images.count = std::min<size_t>(test_images.count, 1000);
    }

    const int most = options.threads.back();
    for (int round = 0; round < options.repeat; round++)
        for (const std::string &isa : options.isas) {
            double seconds = 0;
            for (const int threads : options.threads)
                seconds = measure_training(isa, threads, images);
            const double crowded = measure_training(isa, 16, images);
            record(label("training", isa, 16) + "/over threads:" + std::to_string(most), "x", crowded / seconds);
        }
    for (const std::string &isa : options.isas) {
        for (const int threads : options.threads)
            measure_kernels(isa, threads, images);
        measure_test_set(isa, most, test_images);
        measure_one_image(isa, test_images);
        measure_lists(isa, most, images);
        if (options.threads.front() == 1)
            predict_scaling(isa, images);
    }
    for (const int threads : options.threads) {
        measure_bandwidth("L2", 192 << 10, threads);
        measure_bandwidth("L3", 4 << 20, threads);
        measure_bandwidth("memory", 256 << 20, threads);
    }
    print_table();
    for (const std::string &isa : options.isas)
        for (const int threads : options.threads)
            print_phases(label("training", isa, threads));
    if (!options.json.empty())
        write_json(options.json);
    mf_dataset_free(&all);
    mf_dataset_free(&test);
}
