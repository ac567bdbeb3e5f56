/* Every kernel on every instruction set, one thread, at the shapes of a training with the default network.
 *
 * m, k and n are the sizes of the product m x k times k x n. The scalar kernels are so slow that they get a part of m;
 * their rates can be compared all the same. A kernel is timed only after a part of its result was found equal to
 * scalar's, bit for bit. Kernels that skip zeros (sparse, indexed) are timed with the packing or indexing, as a
 * training step does it; their FLOP/s are dense-equivalent: skipped zeros count as computed.
 *
 * Where the operands are: names that end in /L1 and /L2 are products small enough for that cache; /memory takes other
 * operands each time, twice as many as the last-level cache holds; all others repeat one product at its real size,
 * and their label says how large its operands are and which cache holds them. */
#include "operands.h"

namespace
{

enum { BATCH = 1000, HIDDEN = 500, SCALAR_SAMPLES = 48 };

/* The left operand: all terms, the nonzeros of what a ReLU made, or the packed pixels. */
enum Left { DENSE, INDEXED, SPARSE };

const mf_adam adam = {0.9f, 0.1f, 0.999f, 0.001f, 0.01f, 31.6f, 1e-7f, 1.0f};

/* The definition, of the precision of the kernels. */
const mf_kernels *definition_of(const mf_kernels *isa)
{
    return mf_kernels_choose("scalar", isa->precision);
}

const Images &images()
{
    static const Images images(MNIST_FAST_TEST, BATCH);
    return images;
}

/* What every benchmark here does: run once, compare, then time between two measurements of the peak. */
template <typename Run, typename Check>
void measure(benchmark::State &state, const mf_kernels *isa, double flop, double bytes, Run run, Check check)
{
    run();
    if (isa != definition_of(isa) && !check()) {
        wrong_result = true;
        state.SkipWithError("the result differs from scalar's");
        return;
    }
    double peak = flop > 0 ? fma_peak(title_of(isa)) : 0;
    const double begin = thread_seconds();
    for (auto _ : state) {
        run();
        benchmark::ClobberMemory();
    }
    const double seconds = thread_seconds() - begin;
    if (flop > 0) {
        peak = std::max(peak, fma_peak(title_of(isa)));
        report_flop(state, flop, peak, seconds);
    }
    if (bytes > 0)
        state.SetBytesProcessed(static_cast<int64_t>(bytes * static_cast<double>(state.iterations())));
}

double flop_of(int m, int k, int n)
{
    return 2.0 * m * k * n;
}

/* In blocks of rows, small enough for the cache and for the nonzeros. */
template <typename Block> void by_blocks(int count, Block block)
{
    for (int begin = 0; begin < count; begin += Nonzeros::ROWS)
        block(begin, std::min(begin + Nonzeros::ROWS, count));
}

struct ForwardOperands {
    Random random;
    Matrix x, w, bias, y;
    mf_forward op = {};

    ForwardOperands(const mf_kernels *isa, Left left, int samples, int in, int out)
        : x(samples, in), w(in, out), bias(in, out), y(samples, out)
    {
        if (left == SPARSE)
            definition_of(isa)->scale(images().pixels.data(), 0, samples, x.view());
        else
            x.fill(random, 0.0f);
        if (left == INDEXED)
            x.thin(random);
        op.x = x.view();
        op.w = w.fill(random, -1.0f, 0.07f).view();
        op.scale = 1.0f;
        op.bias = bias.view().data;
        op.y = y.view();
        op.in = in;
        op.panels = y.panels();
        op.relu = true;
    }
};

void forward(benchmark::State &state, const mf_kernels *isa, Left left, Where where, int samples, int in, int out)
{
    const double bytes = sizeof(float) * (1.0 * samples * in + 1.0 * in * out + 1.0 * samples * out);
    Sets<ForwardOperands> sets(where, bytes, isa, left, samples, in, out);
    Nonzeros nonzeros(in);
    const auto run = [&] {
        mf_forward op = sets.next().op;
        op.packed = left == SPARSE ? &nonzeros.packed : nullptr;
        op.index = left == INDEXED ? &nonzeros.index : nullptr;
        by_blocks(samples, [&](int begin, int end) {
            if (left == SPARSE)
                isa->pack_samples(images().pixels.data(), begin, end, &nonzeros.packed);
            if (left == INDEXED)
                isa->index_columns(op.x, in, begin, end, &nonzeros.index);
            (left == SPARSE ? isa->forward_sparse : isa->forward)(&op, begin, end);
        });
    };
    const int checked = std::min(samples, 5);
    Matrix expected(samples, out);
    measure(state, isa, flop_of(samples, in, out), 0, run, [&] {
        ForwardOperands &set = sets.first();
        mf_forward op = set.op;
        op.y = expected.view();
        definition_of(isa)->forward(&op, 0, checked);
        definition_of(isa)->forward(&op, samples - checked, samples);
        return set.y.same(expected, 0, checked) && set.y.same(expected, samples - checked, samples);
    });
    state.SetLabel((left == SPARSE ? std::string(images().source()) + ", " : "") + location_of(bytes, where));
}

struct InputGradientOperands {
    Random random;
    Matrix dz, wt, h, dx;
    mf_input_gradient op = {};

    InputGradientOperands(Left left, int samples, int out, int in)
        : dz(samples, out), wt(out, in), h(samples, in), dx(samples, in)
    {
        dz.fill(random, -1.0f, 0.001f);
        if (left == INDEXED)
            dz.thin(random);
        op.dz = dz.view();
        op.wt = wt.fill(random, -1.0f, 0.07f).view();
        op.h = h.fill(random, 0.0f).view();
        op.dx = dx.view();
        op.out = out;
        op.panels = dx.panels();
    }
};

void input_gradient(benchmark::State &state, const mf_kernels *isa, Left left, Where where, int samples, int out,
                    int in)
{
    const double bytes = sizeof(float) * (1.0 * samples * out + 1.0 * in * out + 2.0 * samples * in);
    Sets<InputGradientOperands> sets(where, bytes, left, samples, out, in);
    Nonzeros nonzeros(out);
    const auto run = [&] {
        mf_input_gradient op = sets.next().op;
        op.index = left == INDEXED ? &nonzeros.index : nullptr;
        by_blocks(samples, [&](int begin, int end) {
            if (left == INDEXED)
                isa->index_columns(op.dz, out, begin, end, &nonzeros.index);
            isa->input_gradient(&op, begin, end);
        });
    };
    const int checked = std::min(samples, 5);
    Matrix expected(samples, in);
    measure(state, isa, flop_of(samples, out, in), 0, run, [&] {
        InputGradientOperands &set = sets.first();
        mf_input_gradient op = set.op;
        op.dx = expected.view();
        definition_of(isa)->input_gradient(&op, 0, checked);
        definition_of(isa)->input_gradient(&op, samples - checked, samples);
        return set.dx.same(expected, 0, checked) && set.dx.same(expected, samples - checked, samples);
    });
    state.SetLabel(location_of(bytes, where));
}

struct WeightUpdateOperands {
    Random random;
    Matrix x, dz, w, m, v, copy;
    mf_weight_update op = {};

    WeightUpdateOperands(const mf_kernels *isa, Left left, int in, int samples, int out)
        : x(samples, left == SPARSE ? static_cast<int>(MF_INPUTS) : in), dz(samples, out), w(in, out), m(in, out),
          v(in, out), copy(in, out)
    {
        if (left == SPARSE)
            definition_of(isa)->scale(images().pixels.data(), 0, samples, x.view());
        else
            x.fill(random, 0.0f);
        op.x = x.view();
        op.dz = dz.fill(random, -1.0f, 0.001f).view();
        op.samples = samples;
        op.w = w.view();
        op.m = m.view();
        op.v = v.view();
        op.copy = copy.view();
        op.scale = 1.0f;
        op.adam = adam;
    }
};

/* Dense: groups of panels outside, 16 rows inside; sparse the other way round, as a training step does it. */
void weight_update(benchmark::State &state, const mf_kernels *isa, Left left, Where where, int in, int samples, int out)
{
    const double bytes = sizeof(float) * (1.0 * samples * in + 1.0 * samples * out + 3.0 * in * out);
    Sets<WeightUpdateOperands> sets(where, bytes, isa, left, in, samples, out);
    Nonzeros nonzeros(samples);
    const int panels = mf_ceil_div(out, MF_PANEL);
    const auto run = [&] {
        mf_weight_update op = sets.next().op;
        op.packed = &nonzeros.packed;
        if (left == SPARSE)
            by_blocks(in, [&](int begin, int end) {
                isa->pack_pixels(images().pixels.data(), samples, begin, end, &nonzeros.packed);
                isa->weight_update_sparse(&op, begin, end, 0, panels);
            });
        else
            for (int first = 0; first < panels; first += isa->nr_panels)
                for (int begin = 0; begin < in; begin += MF_PANEL)
                    isa->weight_update(&op, begin, std::min(begin + MF_PANEL, in), first,
                                       std::min(first + isa->nr_panels, panels));
    };
    measure(state, isa, flop_of(in, samples, out), 0, run, [&] {
        const Matrix expected_w(in, out), expected_m(in, out), expected_v(in, out), copy(in, out);
        const WeightUpdateOperands &set = sets.first();
        mf_weight_update op = set.op;
        op.w = expected_w.view();
        op.m = expected_m.view();
        op.v = expected_v.view();
        op.copy = copy.view();
        bool same = true;
        const int last = (in - 1) / MF_PANEL * MF_PANEL;
        for (int begin = 0; begin <= last;
             begin += std::max(last, 1)) { /* the first rows, and those of the last panel */
            const int end = std::min(begin + 3, in);
            definition_of(isa)->weight_update(&op, begin, end, 0, panels);
            same = same && set.w.same(expected_w, begin, end) && set.m.same(expected_m, begin, end) &&
                   set.v.same(expected_v, begin, end);
        }
        return same;
    });
    state.SetLabel((left == SPARSE ? std::string(images().source()) + ", " : "") + location_of(bytes, where));
}

void bias_update(benchmark::State &state, const mf_kernels *isa, int samples, int out)
{
    Random random;
    Matrix dz(samples, out), w(1, out), m(1, out), v(1, out), expected_w(1, out), expected_m(1, out),
        expected_v(1, out);
    mf_weight_update op = {};
    op.dz = dz.fill(random, -1.0f, 0.001f).view();
    op.samples = samples;
    op.w = w.view();
    op.m = m.view();
    op.v = v.view();
    op.adam = adam;
    const int panels = w.panels();
    measure(
        state, isa, 1.0 * samples * out, sizeof(float) * MF_PANEL * samples * panels,
        [&] { isa->bias_update(&op, 0, 0, panels); },
        [&] {
            mf_weight_update reference = op;
            reference.w = expected_w.view();
            reference.m = expected_m.view();
            reference.v = expected_v.view();
            definition_of(isa)->bias_update(&reference, 0, 0, panels);
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
            definition_of(isa)->softmax(&op, 0, samples);
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
            definition_of(isa)->scale(images().pixels.data(), 0, samples, expected.view());
            return x.same(expected, 0, samples);
        });
}

/* What is packed differs from one instruction set to the next; the products that read it check what they give. */
void pack(benchmark::State &state, const mf_kernels *isa, bool of_pixels, int samples)
{
    Nonzeros nonzeros(of_pixels ? samples : static_cast<int>(MF_INPUTS));
    const uint8_t *const pixels = images().pixels.data();
    measure(
        state, isa, 0, 1.0 * MF_INPUTS * samples,
        [&] {
            by_blocks(of_pixels ? static_cast<int>(MF_INPUTS) : samples, [&](int begin, int end) {
                if (of_pixels)
                    isa->pack_pixels(pixels, samples, begin, end, &nonzeros.packed);
                else
                    isa->pack_samples(pixels, begin, end, &nonzeros.packed);
            });
        },
        [] { return true; });
    state.SetLabel(images().source());
}

void index_columns(benchmark::State &state, const mf_kernels *isa, int samples, int columns)
{
    Random random;
    Matrix x(samples, columns);
    x.fill(random, 0.0f).thin(random);
    Nonzeros nonzeros(columns);
    measure(
        state, isa, 0, sizeof(float) * 1.0 * samples * columns,
        [&] {
            by_blocks(samples,
                      [&](int begin, int end) { isa->index_columns(x.view(), columns, begin, end, &nonzeros.index); });
        },
        [] { return true; });
}

/* The copy of a layer's weights for the input gradient. */
void transpose(benchmark::State &state, const mf_kernels *isa, int size)
{
    Random random;
    const int padded = mf_ceil_div(size, MF_PANEL) * MF_PANEL;
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
        flop += fma_rounds(title_of(isa), 10000);
    state.counters["FLOP/s"] = benchmark::Counter(flop, benchmark::Counter::kIsRate);
}

/* Registers kernel/isa/sizes; on a CPU without the ISA it only says so. */
template <typename Function, typename... Arguments>
void add(const std::string &kernel, const mf_kernels *isa, const std::string &sizes, Function function,
         Arguments... arguments)
{
    const std::string name = kernel + "/" + title_of(isa) + (sizes.empty() ? "" : "/" + sizes);
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
    const bool is_scalar = isa == definition_of(isa);
    const int samples = is_scalar ? SCALAR_SAMPLES : BATCH;
    if (!is_scalar && (fma_rounds(title_of(isa), 1) > 0 || !isa->supported()))
        add("fma_peak", isa, "", peak);
    const int in[] = {MF_INPUTS, HIDDEN, HIDDEN}, out[] = {HIDDEN, HIDDEN, MF_CLASSES};
    for (int l = 0; l < 3; l++)
        add("forward", isa, sizes_of(samples, in[l], out[l]), forward, DENSE, WARM, samples, in[l], out[l]);
    if (isa->index_columns)
        add("forward_indexed", isa, sizes_of(samples, HIDDEN, HIDDEN), forward, INDEXED, WARM, samples, HIDDEN, HIDDEN);
    add("forward_sparse", isa, sizes_of(samples, MF_INPUTS, HIDDEN), forward, SPARSE, WARM, samples, MF_INPUTS, HIDDEN);
    for (int l = 2; l > 0; l--)
        add("input_gradient", isa, sizes_of(samples, out[l], in[l]), input_gradient, DENSE, WARM, samples, out[l],
            in[l]);
    if (isa->index_columns)
        add("input_gradient_indexed", isa, sizes_of(samples, HIDDEN, HIDDEN), input_gradient, INDEXED, WARM, samples,
            HIDDEN, HIDDEN);
    for (int l = 2; l >= (is_scalar ? 1 : 0); l--) { /* in scalar's part, layers 0 and 1 are the same */
        const int rows = is_scalar ? static_cast<int>(MF_PANEL) : in[l];
        add("weight_update", isa, sizes_of(rows, BATCH, out[l]), weight_update, DENSE, WARM, rows, BATCH, out[l]);
    }
    add("weight_update_sparse", isa, sizes_of(MF_INPUTS, BATCH, HIDDEN), weight_update, SPARSE, WARM, MF_INPUTS, BATCH,
        HIDDEN);
    if (!is_scalar) {
        /* odd ones: partial tiles and panels everywhere */
        add("forward", isa, sizes_of(97, 501, 37), forward, DENSE, WARM, 97, 501, 37);
        add("input_gradient", isa, sizes_of(97, 37, 501), input_gradient, DENSE, WARM, 97, 37, 501);
        add("weight_update", isa, sizes_of(501, 97, 37), weight_update, DENSE, WARM, 501, 97, 37);
        /* the same loops from each cache, and from memory */
        const int rows = 2 * isa->mr, columns = isa->nr_panels * MF_PANEL;
        add("forward", isa, sizes_of(rows, 96, columns) + "/L1", forward, DENSE, WARM, rows, 96, columns);
        add("forward", isa, sizes_of(48, 240, 240) + "/L2", forward, DENSE, WARM, 48, 240, 240);
        add("forward", isa, sizes_of(BATCH, HIDDEN, HIDDEN) + "/memory", forward, DENSE, MEMORY, BATCH, HIDDEN, HIDDEN);
        add("input_gradient", isa, sizes_of(rows, 96, columns) + "/L1", input_gradient, DENSE, WARM, rows, 96, columns);
        add("input_gradient", isa, sizes_of(48, 240, 240) + "/L2", input_gradient, DENSE, WARM, 48, 240, 240);
        add("input_gradient", isa, sizes_of(BATCH, HIDDEN, HIDDEN) + "/memory", input_gradient, DENSE, MEMORY, BATCH,
            HIDDEN, HIDDEN);
        add("weight_update", isa, sizes_of(MF_PANEL, 120, columns) + "/L1", weight_update, DENSE, WARM,
            static_cast<int>(MF_PANEL), 120, columns);
        add("weight_update", isa, sizes_of(96, 500, 48) + "/L2", weight_update, DENSE, WARM, 96, 500, 48);
        add("weight_update", isa, sizes_of(HIDDEN, BATCH, HIDDEN) + "/memory", weight_update, DENSE, MEMORY, HIDDEN,
            BATCH, HIDDEN);
    }
    add("bias_update", isa, sizes_of(1, BATCH, HIDDEN), bias_update, BATCH, HIDDEN);
    add("softmax", isa, "m:1000", softmax, BATCH);
    add("scale", isa, "m:1000", scale, BATCH);
    add("pack_samples", isa, "m:1000", pack, false, BATCH);
    add("pack_pixels", isa, "m:1000", pack, true, BATCH);
    if (isa->index_columns)
        add("index_columns", isa, "m:1000/n:500", index_columns, BATCH, HIDDEN);
    add("transpose", isa, "m:500/n:500", transpose, HIDDEN);
}

} // namespace

int main(int argc, char **argv)
{
    for (const mf_precision precision : {MF_FP32, MF_BF16})
        for (const mf_kernels *const *isa = mf_isas_of(precision); *isa; isa++)
            if (!(*isa)->tiled) /* tiles are no matrices of floats; bench/limit measures them in a training */
                add_all(*isa);
    return run_benchmarks(argc, argv);
}
