/* The kernels of the three products at the shapes of the hidden layers (dense) and of layer 1 (sparse), with the
 * operands of a step, each thread on its share of them. */
#include "limit.h"

#include <omp.h>

namespace
{

enum Kernel { FORWARD, INPUT_GRADIENT, WEIGHT_UPDATE, FORWARD1, WEIGHT_UPDATE1, KERNELS };
const char *const kernel_names[KERNELS] = {"forward", "input gradient", "weight update", "layer 1, forward",
                                           "layer 1, weight update"};

/* CPU time of one thread: other programs on the machine must not count against a kernel. */
struct Spent {
    double packing, all;
};

/* Weight updates alone: no biases, which are no product, and not the narrow output layer. */
class Tasks
{
  public:
    Tasks(const Step &step, bool first_layer)
    {
        for (size_t i = 0; i < step.partition.count; i++) {
            const mf_task &task = step.partition.tasks[i];
            const bool wanted = first_layer ? task.layer == 0 : task.layer > 0 && task.layer < step.n->layers - 1;
            if (wanted && task.begin != step.n->layer[task.layer].bias_row)
                tasks_.push_back(task);
        }
    }
    const mf_task *begin_of(int part, int parts) const
    {
        mf_partition partition = {};
        partition.tasks = const_cast<mf_task *>(tasks_.data());
        partition.count = tasks_.size();
        return tasks_.data() + mf_partition_begin(&partition, part, parts);
    }

  private:
    std::vector<mf_task> tasks_;
};

void update_weights(const Step &step, const Tasks &tasks, int part, int parts, Spent *spent)
{
    const mf_kernels *const kernels = step.n->kernels;
    mf_workspace *const w = step.n->workspace;
    mf_packed_nonzeros *const packed = mf_packed(w, part, step.samples);
    int packed_begin = -1;
    const mf_task *const end = tasks.begin_of(part + 1, parts);
    for (const mf_task *task = tasks.begin_of(part, parts); task < end; task++) {
        const bool sparse = task->layer == 0 && mf_skips(step.n);
        if (sparse && task->begin != packed_begin) {
            const double start = thread_seconds();
            kernels->pack_pixels(w->pixels, step.samples, task->begin, task->end, packed);
            packed_begin = task->begin;
            spent->packing += thread_seconds() - start;
        }
        const mf_weight_update op = mf_weight_update_operands(step.n, task->layer, packed, step.samples, &step.adam);
        (sparse ? kernels->weight_update_sparse : kernels->weight_update)(&op, task->begin, task->end, task->first,
                                                                          task->last);
    }
}

/* Forward or input gradient over rows [begin, end). */
void pass_block(const Step &step, Kernel kernel, int part, int begin, int end, Spent *spent)
{
    mnist_fast *const n = step.n;
    if (kernel == FORWARD1) {
        mf_packed_nonzeros *const packed = mf_packed(n->workspace, part, MF_INPUTS);
        const double start = thread_seconds();
        if (mf_skips(n))
            n->kernels->pack_samples(n->workspace->pixels, begin, end, packed);
        else
            n->kernels->scale(n->workspace->pixels, begin, end, n->workspace->x);
        spent->packing += thread_seconds() - start;
        const mf_forward op = mf_forward_operands(n, 0, packed, nullptr);
        (mf_skips(n) ? n->kernels->forward_sparse : n->kernels->forward)(&op, begin, end);
        return;
    }
    const int last = n->layers - 1;
    for (int l = 1; l < last && kernel == FORWARD; l++) {
        const mf_forward op = mf_forward_operands(n, l, nullptr, nullptr);
        n->kernels->forward(&op, begin, end);
    }
    for (int l = last - 1; l > 0 && kernel == INPUT_GRADIENT; l--) {
        const mf_input_gradient op = mf_input_gradient_operands(n, l, nullptr);
        n->kernels->input_gradient(&op, begin, end);
    }
}

/* One thread's share of one pass over the batch. */
void run_kernel(const Step &step, const Tasks tasks[2], Kernel kernel, int part, int parts, Spent *spent)
{
    if (kernel == WEIGHT_UPDATE || kernel == WEIGHT_UPDATE1) {
        update_weights(step, tasks[kernel == WEIGHT_UPDATE1], part, parts, spent);
        return;
    }
    const int first = mf_rows_begin(step.n, step.samples, part, parts);
    const int stop = mf_rows_begin(step.n, step.samples, part + 1, parts);
    const int height = mf_block_rows(step.n, stop - first);
    for (int begin = first; begin < stop; begin += height)
        pass_block(step, kernel, part, begin, std::min(begin + height, stop), spent);
}

double kernel_flop(const mnist_fast *n, Kernel kernel, int samples)
{
    const bool first_layer = kernel == FORWARD1 || kernel == WEIGHT_UPDATE1;
    double sum = 0;
    for (int l = first_layer ? 0 : 1; l < (first_layer ? 1 : n->layers - 1); l++)
        sum += 2.0 * n->layer[l].in * n->layer[l].out;
    return sum * samples;
}

} // namespace

void measure_kernels(const std::string &isa, int threads, const mnist_fast_images &images)
{
    const Step step(isa, threads, images);
    const Tasks tasks[] = {{step, false}, {step, true}};
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
                    run_kernel(step, tasks, static_cast<Kernel>(k), omp_get_thread_num(), threads, &mine);
                    count++;
                    mine.all = thread_seconds() - begin;
                } while (mine.all < slice_seconds());
#pragma omp critical
                {
                    pass[k].packing += mine.packing / count;
                    pass[k].all += mine.all / count;
                }
#pragma omp barrier
            }
            after += peak_of_thread(isa);
        }
        const double peak = (before + after) / 2;
        for (int k = 0; k < KERNELS; k++) {
            const std::string name = label("kernel", isa, threads) + "/" + kernel_names[k];
            const double flop = kernel_flop(step.n, static_cast<Kernel>(k), step.samples) * threads;
            const double rate = flop / (pass[k].all - pass[k].packing);
            record(name, "x peak", rate / peak);
            if (pass[k].packing > 0)
                record(name + ", with packing", "x peak", flop / pass[k].all / peak);
            record(name + ", rate", "GFLOP/s", rate / 1e9);
        }
    }
}
