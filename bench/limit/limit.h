/* How near the engine comes to the limit of this CPU: one process, in which the FMA peak and what is compared with it
 * are measured in turn, so that a clock that drifts or a busy neighbour moves both. `definitions` says what is counted.
 *
 * peak.cc       the FMA peak, bandwidths, a barrier
 * training.cc   whole trainings, and what skipping zeros is worth
 * inference.cc  the test set, one image
 * step.cc       one step of a training that can be run again and again
 * kernels.cc    the kernels of that step
 * scaling.cc    a prediction for more cores, from the shares of that step
 * program.cc    the program as a process of its own
 * report.cc     what was measured, as a table and as JSON */
#ifndef BENCH_LIMIT_H
#define BENCH_LIMIT_H

#include "../network.h"

extern "C" {
#include "base/clock.h"
#include "engine/step.h"
}

struct Options {
    std::vector<std::string> isas;
    std::vector<int> threads; /* ascending */
    int repeat = 5, epochs = 5;
    bool quick = false;
    std::string json, data = data_folder(), program = "./mnist_fast";
};
extern Options options;
extern double load_average; /* of the machine before anything was measured */

/* ---- report.cc ---- */

extern const char *const definitions;

double median(std::vector<double> values);

struct Measurement {
    std::string name, unit;
    std::vector<double> values;
};
void record(const std::string &name, const char *unit, double value);
const Measurement *find(const std::string &name);                         /* NULL: was not measured */
std::string label(const char *what, const std::string &isa, int threads); /* WHAT/ISA/threads:N */

void print_table();
void print_phases(const std::string &training);
void write_json(const std::string &path);

/* ---- Measurements: each calls record() ---- */

double slice_seconds();                        /* how long one look at a rate takes */
double peak_of_thread(const std::string &isa); /* FLOP/s of the calling thread, measured now */
double peak_of_team(const std::string &isa, int threads);
void measure_bandwidth(const char *level, size_t bytes, int threads);
double measure_barrier(int threads); /* seconds */

double measure_training(const std::string &isa, int threads, const mnist_fast_images &images); /* seconds */
void measure_skipping(const std::string &isa, int threads, const mnist_fast_images &images);
void measure_test_set(const std::string &isa, int threads, const mnist_fast_images &images);
void measure_one_image(const std::string &isa, const mnist_fast_images &images);
void measure_kernels(const std::string &isa, int threads, const mnist_fast_images &images);
void predict_scaling(const std::string &isa, const mnist_fast_images &images);
void measure_program(); /* before this process has grown: Linux lets a child's peak memory begin at its parent's */

/* ---- step.cc ---- */

/* A step of training on a batch of the default size, sorted as in training, after one epoch. The learning rate is next
 * to nothing, so that every operand stays what it is however often the weights are updated. */
class Step
{
  public:
    Step(const std::string &isa, int threads, const mnist_fast_images &images);
    Step(const Step &) = delete;
    Step &operator=(const Step &) = delete;
    ~Step();

    /* The share of thread `part` of `parts`, cut as in training; with the scratch memory of thread `scratch`. */
    void forward_backward(int part, int parts, int scratch) const;
    void update_weights(int part, int parts, int scratch) const;

    const Network network;
    mnist_fast *const n;
    const int samples;
    mf_partition partition;
    mf_adam adam;
};

#endif
