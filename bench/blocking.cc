/* What blocking costs and wins: trainings that differ in it alone, in turn, and how near the rule's own choice comes to
 * the best of them. One parameter is varied at a time, the others stay as the rule says.
 *
 * A round trains each blocking for the same few steps, in an order of its own. Its time is divided by the median of the
 * round, so that a clock that drifts, or a neighbour that comes and goes, moves all of them; the median over the rounds
 * counts. The least of many medians is too low by chance: so the best few and the rule have rounds of their own in the
 * end, and only these say how far the rule is from the best. */
#include "network.h"

#include <getopt.h>
#include <numeric>
#include <random>

namespace
{

struct Options {
    std::string isa;
    std::vector<int> threads, hidden;
    int batch = 1000, steps = 2, rounds = 60;
    bool wait = false;
} options;

const char *const usage =
    "usage: blocking [OPTION]...\n"
    "Sweeps the blocking of a training: rows of a block, panels and pixels of a task.\n"
    "\n"
    "  --isa NAME        otherwise the best that this CPU runs\n"
    "  --threads LIST    otherwise 1,2\n"
    "  --hidden LIST     units of the hidden layers; otherwise 500,500,500\n"
    "  --batch N         otherwise 1000\n"
    "  --steps N         of each training; otherwise 2\n"
    "  --rounds N        otherwise 60; the best few then have three times as many\n"
    "  --wait            repeat, for an hour at most, a training that other programs had a part of the processors in\n"
    "  --help            this text\n";

std::vector<int> numbers(const char *option, const std::string &text)
{
    std::vector<int> list;
    for (const char *at = text.c_str();; at++) {
        char *end;
        errno = 0;
        const long value = std::strtol(at, &end, 10);
        if (end == at || errno || value < 1 || value > 1000000 || (*end && *end != ','))
            fail(std::string(option) + ": expected numbers such as 1,2, found '" + text + "'; see --help", 2);
        list.push_back(static_cast<int>(value));
        at = end;
        if (!*at)
            return list;
    }
}

void read_options(int argc, char **argv)
{
    static const option table[] = {
        {"isa", 1, nullptr, 'i'},   {"threads", 1, nullptr, 't'}, {"hidden", 1, nullptr, 'n'},
        {"batch", 1, nullptr, 'b'}, {"steps", 1, nullptr, 's'},   {"rounds", 1, nullptr, 'r'},
        {"wait", 0, nullptr, 'w'},  {"help", 0, nullptr, 'h'},    {},
    };
    for (int option; (option = getopt_long(argc, argv, "", table, nullptr)) != -1;)
        switch (option) {
        case 'i': options.isa = optarg; break;
        case 't': options.threads = numbers("--threads", optarg); break;
        case 'n': options.hidden = numbers("--hidden", optarg); break;
        case 'b': options.batch = numbers("--batch", optarg).front(); break;
        case 's': options.steps = numbers("--steps", optarg).front(); break;
        case 'r': options.rounds = numbers("--rounds", optarg).front(); break;
        case 'w': options.wait = true; break;
        case 'h': std::fputs(usage, stdout); std::exit(0);
        default: std::exit(2);
        }
    if (options.isa.empty())
        options.isa = mf_kernels_choose(nullptr, MF_FP32)->name;
    if (options.threads.empty())
        options.threads = {1, 2};
}

double deadline; /* of waiting for a quiet machine */

/* What all processors have worked for other processes, or for other virtual machines. Of a hundredth of a second each.
 */
double seconds_of_others()
{
    std::ifstream file("/proc/stat");
    std::string name;
    double user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, steal = 0;
    file >> name >> user >> nice >> system >> idle >> wait >> irq >> softirq >> steal;
    const double all = user + nice + system + irq + softirq + steal;
    return all / static_cast<double>(sysconf(_SC_CLK_TCK)) - seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

void wait_for_quiet()
{
    for (double before = 0, now = seconds_of_others(); seconds_of(CLOCK_MONOTONIC) < deadline; now = before) {
        usleep(100000);
        before = seconds_of_others();
        if (before - now < 0.015)
            return;
    }
}

double part_of(std::vector<double> values, double part)
{
    std::sort(values.begin(), values.end());
    return values[static_cast<size_t>(part * static_cast<double>(values.size() - 1) + 0.5)];
}

struct Blocking {
    mf_blocking blocking;
    std::vector<double> times; /* one for each round: over the median of the round */

    double time() const
    {
        return part_of(times, 0.5);
    }
};

bool same(const mf_blocking &a, const mf_blocking &b)
{
    return a.rows == b.rows && a.panels == b.panels && a.pixels == b.pixels;
}

class Sweep
{
  public:
    Sweep(int threads, const mnist_fast_images &all) : network_(options.isa, threads, config()), images_(all)
    {
        network_.n->all_threads = true;
        const size_t wanted = static_cast<size_t>(options.steps) * static_cast<size_t>(options.batch);
        images_.count = std::min(wanted, all.count);
        rule_ = mf_network_blocking(network_.n, images_.count < wanted ? images_.count : config().batch_size, true);
        train(rule_);
    }
    const mf_blocking &rule() const
    {
        return rule_;
    }
    /* Where it is the rule, or there already, nothing is added. */
    void add(const mf_blocking &blocking)
    {
        const auto known = [&](const Blocking &b) { return same(b.blocking, blocking); };
        if (std::none_of(all_.begin(), all_.end(), known))
            all_.push_back({blocking, {}});
    }
    void run(int rounds)
    {
        std::vector<size_t> order(all_.size());
        std::iota(order.begin(), order.end(), 0);
        for (int round = 0; round < rounds; round++) {
            std::shuffle(order.begin(), order.end(), random_);
            std::vector<double> seconds(all_.size());
            for (const size_t i : order)
                seconds[i] = train(all_[i].blocking);
            const double middle = part_of(seconds, 0.5);
            for (size_t i = 0; i < all_.size(); i++)
                all_[i].times.push_back(seconds[i] / middle);
        }
    }
    /* Keeps the best `count` and the rule, and forgets their times. */
    void keep_best(size_t count)
    {
        std::sort(all_.begin(), all_.end(), [](const Blocking &a, const Blocking &b) { return a.time() < b.time(); });
        for (size_t i = all_.size(); i-- > 0;)
            if (i >= count && !same(all_[i].blocking, rule_))
                all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(i));
            else
                all_[i].times.clear();
    }
    const std::vector<Blocking> &all() const
    {
        return all_;
    }

  private:
    static mnist_fast_config config()
    {
        mnist_fast_config c = default_config();
        c.batch_size = options.batch;
        c.validation_fraction = 0;
        if (!options.hidden.empty()) {
            std::fill(std::begin(c.hidden), std::end(c.hidden), 0);
            c.hidden_count = static_cast<int>(options.hidden.size());
            std::copy(options.hidden.begin(), options.hidden.end(), c.hidden);
        }
        return c;
    }
    double train(const mf_blocking &blocking)
    {
        network_.n->forced = blocking;
        mnist_fast_error error;
        for (;;) {
            if (options.wait)
                wait_for_quiet();
            const double others = seconds_of_others(), begin = seconds_of(CLOCK_MONOTONIC);
            must(mnist_fast_train(network_.n, &images_, ++epochs_, nullptr, nullptr, &error), error);
            const double end = seconds_of(CLOCK_MONOTONIC);
            if (!options.wait || end > deadline || seconds_of_others() - others < 0.05 * (end - begin) + 0.005)
                return end - begin;
        }
    }

    Network network_;
    mnist_fast_images images_;
    mf_blocking rule_;
    std::vector<Blocking> all_;
    int epochs_ = 0;
    std::mt19937 random_;
};

const Blocking &best_of(const std::vector<Blocking> &all)
{
    return *std::min_element(all.begin(), all.end(),
                             [](const Blocking &a, const Blocking &b) { return a.time() < b.time(); });
}

void print(const Sweep &sweep)
{
    const std::vector<Blocking> &all = sweep.all();
    const Blocking &best = best_of(all);
    std::printf("%6s %7s %7s  %s\n", "rows", "panels", "pixels", "time over the best (the middle half of the rounds)");
    for (const Blocking &b : all)
        std::printf("%6d %7d %7d  %.3f (%.3f-%.3f)%s%s\n", b.blocking.rows, b.blocking.panels, b.blocking.pixels,
                    b.time() / best.time(), part_of(b.times, 0.25) / best.time(), part_of(b.times, 0.75) / best.time(),
                    same(b.blocking, sweep.rule()) ? "  the rule" : "", &b == &best ? "  the best" : "");
}

void sweep(int threads, const mnist_fast_images &images)
{
    static const int rows[] = {12, 24, 48, 72, 96, 144, 192, 256, 504}, panels[] = {1, 2, 4, 6, 9, 12, 16, 32},
                     pixels[] = {48, 96, 144, 192, 264, 392, 784};
    Sweep sweep(threads, images);
    const mf_blocking rule = sweep.rule();
    sweep.add(rule);
    for (const int n : rows) {
        mf_blocking b = rule;
        b.rows = n;
        sweep.add(b);
    }
    for (const int n : panels) {
        mf_blocking b = rule;
        b.panels = n;
        sweep.add(b);
    }
    for (const int n : pixels) {
        mf_blocking b = rule;
        b.pixels = n;
        sweep.add(b);
    }
    double load = 0;
    getloadavg(&load, 1);
    std::printf("\n%s, threads: %d, batch %d, %d rounds of %d steps, load %.1f\n", options.isa.c_str(), threads,
                options.batch, options.rounds, options.steps, load);
    sweep.run(options.rounds);
    print(sweep);
    sweep.keep_best(5);
    sweep.run(3 * options.rounds);
    std::printf("\nthe best of these and the rule, %d rounds more\n", 3 * options.rounds);
    print(sweep);
}

} // namespace

int main(int argc, char **argv)
{
    read_options(argc, argv);
    deadline = seconds_of(CLOCK_MONOTONIC) + 3600;
    const Images images(MNIST_FAST_TRAIN, 60000);
    const mf_caches caches = mf_cpu_read().caches;
    std::printf("%s; L1 %zu KB, L2 %zu KB for %d core(s), L3 %zu KB for %d; %s\n", cpu_model().c_str(), caches.l1 >> 10,
                caches.l2 >> 10, caches.l2_cores, caches.l3 >> 10, caches.l3_cores, images.source());
    for (const int threads : options.threads)
        sweep(threads, images.view());
}
