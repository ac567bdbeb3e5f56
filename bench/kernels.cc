/* Every kernel on every instruction set, one thread, at the shapes of a training with the default network.
 *
 * m, k and n are the sizes of the product m x k times k x n. The scalar kernels are so slow that they get a part of m;
 * their rates compare all the same. A kernel is timed only after a part of its result was found equal to scalar's, bit
 * for bit. Sparse kernels are timed with the making of their lists, as a training step does it; their FLOP/s count the
 * skipped zeros. */
#include "common.h"

namespace
{

enum { BATCH = 1000, HIDDEN = 500, SCALAR_SAMPLES = 48 };

int panels_of(int columns)
{
    return (columns + MF_PANEL - 1) / MF_PANEL;
}

class Matrix
{
  public:
    Matrix(int rows, int columns)
        : rows_(rows), columns_(columns),
          buffer_(static_cast<size_t>(panels_of(columns)) * static_cast<size_t>(rows) * MF_PANEL)
    {
    }
    Matrix &fill(Random &random, float low = -1.0f, float magnitude = 1.0f)
    {
        for (int j = 0; j < columns_; j++)
            for (int i = 0; i < rows_; i++)
                at(i, j) = magnitude * std::max(low, random.real());
        return *this;
    }
    mf_matrix view() const
    {
        mf_matrix matrix;
        matrix.data = buffer_.get();
        matrix.stride = static_cast<size_t>(rows_) * MF_PANEL;
        return matrix;
    }
    float &at(int i, int j) const
    {
        return buffer_
            .get()[static_cast<size_t>(j / MF_PANEL * rows_ + i) * MF_PANEL + static_cast<size_t>(j % MF_PANEL)];
    }
    int panels() const
    {
        return panels_of(columns_);
    }
    /* Whether rows [begin, end) are the same bytes. */
    bool same(const Matrix &other, int begin, int end) const
    {
        for (int panel = 0; panel < panels(); panel++)
            if (std::memcmp(&at(begin, panel * MF_PANEL), &other.at(begin, panel * MF_PANEL),
                            sizeof(float) * MF_PANEL * static_cast<size_t>(end - begin)))
                return false;
        return true;
    }

  private:
    int rows_, columns_;
    Buffer<float> buffer_;
};

struct Lists {
    Buffer<int> count{MF_LIST_BLOCK};
    Buffer<int32_t> offset;
    Buffer<float> value;
    mf_lists lists;

    explicit Lists(int depth)
        : offset(static_cast<size_t>(MF_LIST_BLOCK) * static_cast<size_t>(depth) + MF_LIST_AHEAD),
          value(static_cast<size_t>(MF_LIST_BLOCK) * static_cast<size_t>(depth) + MF_PANEL)
    {
        lists.depth = depth;
        lists.count = count.get();
        lists.offset = offset.get();
        lists.value = value.get();
    }
};

const mf_adam adam = {0.9f, 0.1f, 0.999f, 0.001f, 0.01f, 31.6f, 1e-7f};

const mf_kernels *const scalar_isa = mf_kernels_choose("scalar");

const Images &images()
{
    static const Images images(MF_TEST, BATCH);
    return images;
}

const char *kind_of_images()
{
    return images().real ? "MNIST" : "made-up images";
}

/* What every benchmark here does: run once, compare, then time between two measurements of the peak. */
template <typename Run, typename Check>
void measure(benchmark::State &state, const mf_kernels *isa, double flop, double bytes, Run run, Check check)
{
    run();
    if (isa != scalar_isa && !check()) {
        wrong_result = true;
        state.SkipWithError("the result differs from scalar's");
        return;
    }
    double peak = flop > 0 ? fma_peak(isa->name) : 0;
    const double begin = thread_seconds();
    for (auto _ : state) {
        run();
        benchmark::ClobberMemory();
    }
    const double seconds = thread_seconds() - begin;
    if (flop > 0) {
        peak = std::max(peak, fma_peak(isa->name));
        report_flop(state, flop, peak, seconds);
    }
    if (bytes > 0)
        state.SetBytesProcessed(static_cast<int64_t>(bytes * static_cast<double>(state.iterations())));
}

double flop_of(int m, int k, int n)
{
    return 2.0 * m * k * n;
}

/* In blocks of rows, as a training step does it: small enough for the cache, and for the lists. */
template <typename Block> void by_blocks(int count, Block block)
{
    for (int begin = 0; begin < count; begin += MF_LIST_BLOCK)
        block(begin, std::min(begin + MF_LIST_BLOCK, count));
}

void forward(benchmark::State &state, const mf_kernels *isa, bool sparse, int samples, int in, int out)
{
    Random random;
    Matrix x(samples, in), w(in, out), bias(in, out), y(samples, out), expected(samples, out);
    Lists lists(in);
    mf_forward op = {};
    if (sparse)
        scalar_isa->scale(images().pixels.data(), 0, samples, x.view());
    else
        x.fill(random, 0.0f);
    op.x = x.view();
    op.lists = &lists.lists;
    op.w = w.fill(random, -1.0f, 0.07f).view();
    op.bias = bias.view().data;
    op.y = y.view();
    op.in = in;
    op.panels = y.panels();
    op.relu = true;
    const auto run = [&] {
        if (sparse)
            by_blocks(samples, [&](int begin, int end) {
                isa->list_samples(images().pixels.data(), begin, end, &lists.lists);
                isa->forward_sparse(&op, begin, end);
            });
        else
            by_blocks(samples, [&](int begin, int end) { isa->forward(&op, begin, end); });
    };
    const int checked = std::min(samples, 5);
    measure(state, isa, flop_of(samples, in, out), 0, run, [&] {
        op.y = expected.view();
        scalar_isa->forward(&op, 0, checked);
        scalar_isa->forward(&op, samples - checked, samples);
        op.y = y.view();
        return y.same(expected, 0, checked) && y.same(expected, samples - checked, samples);
    });
    if (sparse)
        state.SetLabel(kind_of_images());
}

void input_gradient(benchmark::State &state, const mf_kernels *isa, int samples, int out, int in)
{
    Random random;
    Matrix dz(samples, out), wt(out, in), h(samples, in), dx(samples, in), expected(samples, in);
    mf_input_gradient op = {};
    op.dz = dz.fill(random, -1.0f, 0.001f).view();
    op.wt = wt.fill(random, -1.0f, 0.07f).view();
    op.h = h.fill(random, 0.0f).view();
    op.dx = dx.view();
    op.out = out;
    op.panels = dx.panels();
    const int checked = std::min(samples, 5);
    measure(
        state, isa, flop_of(samples, out, in), 0,
        [&] { by_blocks(samples, [&](int begin, int end) { isa->input_gradient(&op, begin, end); }); },
        [&] {
            op.dx = expected.view();
            scalar_isa->input_gradient(&op, 0, checked);
            scalar_isa->input_gradient(&op, samples - checked, samples);
            op.dx = dx.view();
            return dx.same(expected, 0, checked) && dx.same(expected, samples - checked, samples);
        });
}

/* Dense: groups of panels outside, 16 rows inside; sparse the other way round, as a training step does it. */
void weight_gradient(benchmark::State &state, const mf_kernels *isa, bool sparse, int in, int samples, int out)
{
    Random random;
    Matrix x(samples, sparse ? MF_INPUTS : in), dz(samples, out), expected_m(in, out), expected_v(in, out),
        expected_w(in, out), m(in, out), v(in, out), w(in, out);
    Lists lists(samples);
    mf_weight_gradient op = {};
    if (sparse)
        scalar_isa->scale(images().pixels.data(), 0, samples, x.view());
    else
        x.fill(random, 0.0f);
    op.x = x.view();
    op.lists = &lists.lists;
    op.dz = dz.fill(random, -1.0f, 0.001f).view();
    op.samples = samples;
    op.w = w.view();
    op.m = m.view();
    op.v = v.view();
    op.adam = adam;
    const int panels = w.panels();
    const auto run = [&] {
        if (sparse)
            by_blocks(in, [&](int begin, int end) {
                isa->list_pixels(images().pixels.data(), samples, begin, end, &lists.lists);
                isa->weight_gradient_sparse(&op, begin, end, 0, panels);
            });
        else
            for (int first = 0; first < panels; first += isa->tile_panels)
                for (int begin = 0; begin < in; begin += MF_PANEL)
                    isa->weight_gradient(&op, begin, std::min(begin + MF_PANEL, in), first,
                                         std::min(first + isa->tile_panels, panels));
    };
    measure(state, isa, flop_of(in, samples, out), 0, run, [&] {
        op.w = expected_w.view();
        op.m = expected_m.view();
        op.v = expected_v.view();
        bool same = true;
        for (int begin : {0, (in - 1) / MF_PANEL * MF_PANEL}) {
            const int end = std::min(begin + 3, in);
            scalar_isa->weight_gradient(&op, begin, end, 0, panels);
            same = same && w.same(expected_w, begin, end) && m.same(expected_m, begin, end) &&
                   v.same(expected_v, begin, end);
        }
        op.w = w.view();
        op.m = m.view();
        op.v = v.view();
        return same;
    });
    if (sparse)
        state.SetLabel(kind_of_images());
}

void bias_gradient(benchmark::State &state, const mf_kernels *isa, int samples, int out)
{
    Random random;
    Matrix dz(samples, out), w(1, out), m(1, out), v(1, out), expected_w(1, out), expected_m(1, out),
        expected_v(1, out);
    mf_weight_gradient op = {};
    op.dz = dz.fill(random, -1.0f, 0.001f).view();
    op.samples = samples;
    op.w = w.view();
    op.m = m.view();
    op.v = v.view();
    op.adam = adam;
    const int panels = w.panels();
    measure(
        state, isa, 1.0 * samples * out, sizeof(float) * MF_PANEL * samples * panels,
        [&] { isa->bias_gradient(&op, 0, 0, panels); },
        [&] {
            mf_weight_gradient reference = op;
            reference.w = expected_w.view();
            reference.m = expected_m.view();
            reference.v = expected_v.view();
            scalar_isa->bias_gradient(&reference, 0, 0, panels);
            return w.same(expected_w, 0, 1) && m.same(expected_m, 0, 1) && v.same(expected_v, 0, 1);
        });
}

void softmax(benchmark::State &state, const mf_kernels *isa, int samples)
{
    Random random;
    Matrix logits(samples, MF_CLASSES), gradient(samples, MF_CLASSES), expected(samples, MF_CLASSES);
    Buffer<float> loss(BATCH);
    Buffer<uint8_t> digit(BATCH);
    mf_softmax op = {};
    op.logits = logits.fill(random, -1.0f, 8.0f).view();
    op.labels = images().labels.data();
    op.scale = 0.001f;
    op.gradient = gradient.view();
    op.loss = loss.get();
    op.digit = digit.get();
    measure(
        state, isa, 0, (2 * sizeof(float) * MF_PANEL + sizeof(float) + 2) * samples,
        [&] { isa->softmax(&op, 0, samples); },
        [&] {
            op.gradient = expected.view();
            scalar_isa->softmax(&op, 0, samples);
            op.gradient = gradient.view();
            return gradient.same(expected, 0, samples);
        });
    state.SetItemsProcessed(state.iterations() * samples);
}

void scale(benchmark::State &state, const mf_kernels *isa, int samples)
{
    Matrix x(samples, MF_INPUTS), expected(samples, MF_INPUTS);
    measure(
        state, isa, 0, (1.0 + sizeof(float)) * MF_INPUTS * samples,
        [&] { isa->scale(images().pixels.data(), 0, samples, x.view()); },
        [&] {
            scalar_isa->scale(images().pixels.data(), 0, samples, expected.view());
            return x.same(expected, 0, samples);
        });
}

/* Lists differ from one instruction set to the next; forward_sparse and weight_gradient_sparse check what they give. */
void lists(benchmark::State &state, const mf_kernels *isa, bool of_pixels, int samples)
{
    Lists lists(of_pixels ? samples : static_cast<int>(MF_INPUTS));
    const uint8_t *const pixels = images().pixels.data();
    measure(
        state, isa, 0, 1.0 * MF_INPUTS * samples,
        [&] {
            by_blocks(of_pixels ? static_cast<int>(MF_INPUTS) : samples, [&](int begin, int end) {
                if (of_pixels)
                    isa->list_pixels(pixels, samples, begin, end, &lists.lists);
                else
                    isa->list_samples(pixels, begin, end, &lists.lists);
            });
        },
        [] { return true; });
    state.SetLabel(kind_of_images());
}

/* The copy of a layer's weights for the input gradient. */
void transpose(benchmark::State &state, const mf_kernels *isa, int size)
{
    Random random;
    const int padded = panels_of(size) * MF_PANEL;
    Matrix w(padded, padded), wt(padded, padded);
    w.fill(random);
    measure(
        state, isa, 0, 2.0 * sizeof(float) * padded * padded,
        [&] {
            for (int panel = 0; panel < w.panels(); panel++)
                for (int row = 0; row < padded; row += MF_PANEL)
                    isa->transpose(&w.at(row, panel * MF_PANEL), &wt.at(panel * MF_PANEL, row));
        },
        [&] {
            for (int i = 0; i < padded; i++)
                for (int j = 0; j < padded; j++)
                    if (w.at(i, j) != wt.at(j, i))
                        return false;
            return true;
        });
}

void peak(benchmark::State &state, const mf_kernels *isa)
{
    double flop = 0;
    for (auto _ : state)
        flop += fma_rounds(isa->name, 10000);
    state.counters["FLOP/s"] = benchmark::Counter(flop, benchmark::Counter::kIsRate);
}

/* Registers kernel/isa/sizes; on a CPU without the ISA it only says so. */
template <typename Function, typename... Arguments>
void add(const std::string &kernel, const mf_kernels *isa, const std::string &sizes, Function function,
         Arguments... arguments)
{
    const std::string name = kernel + "/" + isa->name + (sizes.empty() ? "" : "/" + sizes);
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State &state) {
        if (isa->supported())
            function(state, isa, arguments...);
        else
            state.SkipWithError("skipped: this CPU has no such instructions");
    });
}

std::string sizes_of(int m, int k, int n)
{
    return "m:" + std::to_string(m) + "/k:" + std::to_string(k) + "/n:" + std::to_string(n);
}

void add_all(const mf_kernels *isa)
{
    const bool is_scalar = isa == scalar_isa;
    const int samples = is_scalar ? SCALAR_SAMPLES : BATCH;
    if (!is_scalar && (fma_rounds(isa->name, 1) > 0 || !isa->supported()))
        add("fma_peak", isa, "", peak);
    const int in[] = {MF_INPUTS, HIDDEN, HIDDEN}, out[] = {HIDDEN, HIDDEN, MF_CLASSES};
    for (int l = 0; l < 3; l++)
        add("forward", isa, sizes_of(samples, in[l], out[l]), forward, false, samples, in[l], out[l]);
    add("forward_sparse", isa, sizes_of(samples, MF_INPUTS, HIDDEN), forward, true, samples, MF_INPUTS, HIDDEN);
    for (int l = 2; l > 0; l--)
        add("input_gradient", isa, sizes_of(samples, out[l], in[l]), input_gradient, samples, out[l], in[l]);
    for (int l = 2; l >= (is_scalar ? 1 : 0); l--) { /* in scalar's part, layers 0 and 1 are the same */
        const int rows = is_scalar ? static_cast<int>(MF_PANEL) : in[l];
        add("weight_gradient", isa, sizes_of(rows, BATCH, out[l]), weight_gradient, false, rows, BATCH, out[l]);
    }
    add("weight_gradient_sparse", isa, sizes_of(MF_INPUTS, BATCH, HIDDEN), weight_gradient, true, MF_INPUTS, BATCH,
        HIDDEN);
    add("bias_gradient", isa, sizes_of(1, BATCH, HIDDEN), bias_gradient, BATCH, HIDDEN);
    add("softmax", isa, "m:1000", softmax, BATCH);
    add("scale", isa, "m:1000", scale, BATCH);
    add("list_samples", isa, "m:1000", lists, false, BATCH);
    add("list_pixels", isa, "m:1000", lists, true, BATCH);
    add("transpose", isa, "m:500/n:500", transpose, HIDDEN);
}

} // namespace

int main(int argc, char **argv)
{
    for (const mf_kernels *const *isa = mf_isas; *isa; isa++)
        add_all(*isa);
    return run_benchmarks(argc, argv);
}
