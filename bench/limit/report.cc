#include "limit.h"

#include <fnmatch.h>
#include <jansson.h>

const char *const definitions =
    "What the figures count:\n"
    "  FLOP      dense-equivalent: a multiplication and an addition for each weight, in each product of training\n"
    "            (forward, input gradient but for layer 1, weight update), for each training image. Zeros that are\n"
    "            skipped count as computed. Biases, activations, Adam and the validation count nothing. The test\n"
    "            set and the phase 'evaluate' count the forward products of their own images.\n"
    "  seconds   wall time: of a training from call to return, its validations included; of a phase the\n"
    "            mean over the threads. Kernels: CPU time of their threads.\n"
    "  peak      the rate of independent fused multiply-adds of that instruction set on as many threads (at most\n"
    "            the processors), measured before and after. Kernels of amx and avx512bf16 are compared with the\n"
    "            rate of tdpbf16ps and vdpbf16ps; trainings, their phases and the test set with that of fp32.\n"
    "  R         seconds of a training / its dense limit in fp32 (FLOP / peak), in bf16 too. Below 1: faster than\n"
    "            a program that skips nothing could be.\n"
    "  x peak    FLOP / seconds / peak. May be above 1 where zeros are skipped.\n";

double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    const size_t n = values.size();
    return n ? (values[n / 2] + values[(n - 1) / 2]) / 2 : 0;
}

std::string label(const char *what, const std::string &isa, int threads)
{
    return std::string(what) + "/" + isa + "/threads:" + std::to_string(threads);
}

namespace
{

std::vector<Measurement> measurements; /* in the order in which they were first recorded */

/* What must be reached, and what would be better still. In the names, * stands for an instruction set. */
struct Target {
    const char *name;
    double must, goal;
} const targets[] = {
    {"training/amx-bf16/threads:2/R", 0.33, 0.20},
    {"training/avx512bf16-bf16/threads:2/R", 0.70, 0.55},
    {"training/*-bf16/threads:2/R", 1.60, 1.20},
    {"*-bf16/*", 0, 0}, /* none */
    {"training/*/threads:2/R", 0.95, 0.85},
    {"training/*/threads:16/over threads:2", 1.3, 1.05},
    {"kernel/*/threads:[12]/forward", 0.88, 0.95},
    {"kernel/*/threads:[12]/input gradient", 0.88, 0.95},
    {"kernel/*/threads:[12]/weight update", 0.88, 0.95},
    {"kernel/*/threads:[12]/layer 1, forward", 1.9, 2.4},
    {"kernel/*/threads:[12]/layer 1, weight update", 1.9, 2.4},
    {"test set/*/threads:2/over its dense limit", 0.90, 0.75},
    {"one image/*/threads:1", 30, 15},
    {"program/peak memory", 160, 110},
    {"program/outside training", 0.25, 0.10},
    {"noise/*/skipping over dense", 1.02, 1.00},
};

/* How a median compares with its target: 2 goal, 1 must, 0 neither, -1 there is none. */
int grade(const Measurement &m, const Target **target)
{
    for (const Target &t : targets)
        if (!fnmatch(t.name, m.name.c_str(), 0)) {
            if (t.must == t.goal)
                return -1;
            const double sign = t.goal > t.must ? 1 : -1, value = sign * median(m.values);
            *target = &t;
            return value >= sign * t.goal ? 2 : value >= sign * t.must ? 1 : 0;
        }
    return -1;
}

json_t *context()
{
    return json_pack("{ss si sf si si ss ss ss}", "cpu", cpu_model().c_str(), "cpus", mf_cpu_read().affinity, "load",
                     load_average, "repeat", options.repeat, "epochs", options.epochs, "commit",
                     line_of("git describe --always --dirty 2>/dev/null").c_str(), "compiler", __VERSION__, "flags",
                     build_flags().c_str());
}

json_t *json_of(const Measurement &m)
{
    json_t *const object =
        json_pack("{ss ss sf}", "name", m.name.c_str(), "unit", m.unit.c_str(), "median", median(m.values));
    const Target *target;
    if (grade(m, &target) >= 0) {
        json_object_set_new(object, "must", json_real(target->must));
        json_object_set_new(object, "goal", json_real(target->goal));
    }
    json_t *const values = json_array();
    for (const double value : m.values)
        json_array_append_new(values, json_real(value));
    json_object_set_new(object, "values", values);
    return object;
}

/* One line. */
std::string text_of(json_t *json)
{
    char *const text = json_dumps(json, JSON_REAL_PRECISION(9));
    if (!text)
        fail("no memory for the report");
    const std::string copy = text;
    std::free(text);
    json_decref(json);
    return copy;
}

} // namespace

void record(const std::string &name, const char *unit, double value)
{
    const auto same = [&](const Measurement &m) { return m.name == name; };
    auto m = std::find_if(measurements.begin(), measurements.end(), same);
    if (m == measurements.end())
        m = measurements.insert(m, {name, unit, {}});
    m->values.push_back(value);
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
        if (m.name.find("/phase/") != std::string::npos || !m.name.rfind("prediction/", 0))
            continue;
        const double middle = median(m.values);
        const auto range = std::minmax_element(m.values.begin(), m.values.end());
        std::printf("%-62s %10.4g %-8s %6.1f", m.name.c_str(), middle, m.unit.c_str(),
                    middle > 0 ? 50 * (*range.second - *range.first) / middle : 0);
        const Target *target;
        const int g = grade(m, &target);
        if (g >= 0)
            std::printf(" %7.4g %7.4g  %s", target->must, target->goal, words[g]);
        std::printf("\n");
    }
}

/* Where a training's time goes. */
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

/* One measurement a line, so that two files can be compared by eye. */
void write_json(const std::string &path)
{
    std::string text = "{\"context\": " + text_of(context()) + ",\n\"measurements\": [";
    for (const Measurement &m : measurements)
        text += (&m == &measurements[0] ? "\n" : ",\n") + text_of(json_of(m));
    std::ofstream file(path);
    file << text << "\n]}\n";
    file.close();
    if (!file)
        fail(path + ": cannot be written: " + std::strerror(errno));
}
