/* Every kernel on every instruction set, one thread, at the shapes of a training with the default network.
 *
 * m, k and n are the sizes of the product m x k times k x n. The scalar kernels are so slow that they get a part of m;
 * their rates compare all the same. A kernel is timed only after a part of its result was found equal to scalar's, bit
 * for bit. Kernels with lists are timed with the making of the lists, as a training step does it; their FLOP/s count
 * the skipped zeros.
 *
 * Where the operands are: names that end in /L1 and /L2 are products small enough for that cache; /memory takes other
 * operands each time, twice as many as the last-level cache holds; all others repeat one product at its real size,
 * and their label says how large its operands are and which cache holds them. */
#include "common.h"

#include <deque>

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
    Buffer<int> count{MF_BLOCK_ROWS};
    Buffer<int32_t> offset;
    Buffer<float> value;
    Buffer<uint64_t> place;
    mf_lists lists;

    explicit Lists(int depth)
        : offset(static_cast<size_t>(MF_BLOCK_ROWS) * static_cast<size_t>(depth) + MF_INDEX_AHEAD),
          value(static_cast<size_t>(MF_BLOCK_ROWS) * static_cast<size_t>(depth) + MF_PANEL),
          place(static_cast<size_t>(MF_BLOCK_ROWS) * static_cast<size_t>(depth) + 1)
    {
        lists.depth = depth;
        lists.count = count.get();
        lists.offset = offset.get();
        lists.value = value.get();
        lists.place = place.get();
    }
};

/* What a product knows of its left operand. */
enum Left { DENSE, PACKED_NONZEROS, SPARSE };

/* Where the operands are before a run. */
enum Where { WARM, MEMORY };

double cache_bytes(int level)
{
    const long bytes = sysconf(level == 1   ? _SC_LEVEL1_DCACHE_SIZE
                               : level == 2 ? _SC_LEVEL2_CACHE_SIZE
                                            : _SC_LEVEL3_CACHE_SIZE);
    return bytes > 0 ? static_cast<double>(bytes) : 0;
}

std::string place_of(double bytes, Where where)
{
    char text[64];
    const char *place = "memory";
    for (int level = 3; where == WARM && level > 0; level--)
        if (bytes <= cache_bytes(level))
            place = level == 1 ? "L1" : level == 2 ? "L2" : "L3";
    std::snprintf(text, sizeof text, "operands: %.3g MB in %s", bytes / 1e6, place);
    return text;
}

/* One set of operands that stays where it is, or so many that none is in a cache when its turn comes. */
template <typename Operands> class Sets
{
  public:
    template <typename... Arguments> Sets(Where where, double bytes, Arguments... arguments)
    {
        const double last = std::max(cache_bytes(3), 8e6);
        const int count = where == MEMORY ? static_cast<int>(2 * last / bytes) + 2 : 1;
        for (int i = 0; i < count; i++)
            sets_.emplace_back(arguments...);
    }
    Operands &first()
    {
        return sets_.front();
    }
    /* The first one first, so that what was run once can be checked there. */
    Operands &next()
    {
        Operands &set = sets_[next_];
        next_ = (next_ + 1) % sets_.size();
        return set;
    }

  private:
    std::deque<Operands> sets_;
    size_t next_ = 0;
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
    for (int begin = 0; begin < count; begin += MF_BLOCK_ROWS)
        block(begin, std::min(begin + MF_BLOCK_ROWS, count));
}

/* As much of it is zero as behind a ReLU in training: a third, more in some columns than in others. */
void thin(Matrix &matrix, int rows, int columns, Random &random)
{
    for (int j = 0; j < columns; j++) {
        const uint64_t share = random.bits() % 67;
        for (int i = 0; i < rows; i++)
            if (random.bits() % 100 < share)
                matrix.at(i, j) = 0;
    }
}

struct ForwardOperands {
    Random random;
    Matrix x, w, bias, y;
    mf_forward op = {};

    ForwardOperands(Left left, int samples, int in, int out)
        : x(samples, in), w(in, out), bias(in, out), y(samples, out)
    {
        if (left == SPARSE)
            scalar_isa->scale(images().pixels.data(), 0, samples, x.view());
        else
            x.fill(random, 0.0f);
        if (left == PACKED_NONZEROS)
            thin(x, samples, in, random);
        op.x = x.view();
        op.w = w.fill(random, -1.0f, 0.07f).view();
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
    Sets<ForwardOperands> sets(where, bytes, left, samples, in, out);
    Lists lists(in);
    const auto run = [&] {
        mf_forward op = sets.next().op;
        op.lists = left == DENSE ? nullptr : &lists.lists;
        by_blocks(samples, [&](int begin, int end) {
            if (left == SPARSE)
                isa->pack_samples(images().pixels.data(), begin, end, &lists.lists);
            if (left == PACKED_NONZEROS)
                isa->index_columns(op.x, in, begin, end, &lists.lists);
            (left == SPARSE ? isa->forward_sparse : isa->forward)(&op, begin, end);
        });
    };
    const int checked = std::min(samples, 5);
    Matrix expected(samples, out);
    measure(state, isa, flop_of(samples, in, out), 0, run, [&] {
        ForwardOperands &set = sets.first();
        mf_forward op = set.op;
        op.y = expected.view();
        scalar_isa->forward(&op, 0, checked);
        scalar_isa->forward(&op, samples - checked, samples);
        return set.y.same(expected, 0, checked) && set.y.same(expected, samples - checked, samples);
    });
    state.SetLabel((left == SPARSE ? std::string(kind_of_images()) + ", " : "") + place_of(bytes, where));
}

struct InputGradientOperands {
    Random random;
    Matrix dz, wt, h, dx;
    mf_input_gradient op = {};

    InputGradientOperands(Left left, int samples, int out, int in)
        : dz(samples, out), wt(out, in), h(samples, in), dx(samples, in)
    {
        dz.fill(random, -1.0f, 0.001f);
        if (left == PACKED_NONZEROS)
            thin(dz, samples, out, random);
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
    Lists lists(out);
    const auto run = [&] {
        mf_input_gradient op = sets.next().op;
        op.lists = left == DENSE ? nullptr : &lists.lists;
        by_blocks(samples, [&](int begin, int end) {
            if (left == PACKED_NONZEROS)
                isa->index_columns(op.dz, out, begin, end, &lists.lists);
            isa->input_gradient(&op, begin, end);
        });
    };
    const int checked = std::min(samples, 5);
    Matrix expected(samples, in);
    measure(state, isa, flop_of(samples, out, in), 0, run, [&] {
        InputGradientOperands &set = sets.first();
        mf_input_gradient op = set.op;
        op.dx = expected.view();
        scalar_isa->input_gradient(&op, 0, checked);
        scalar_isa->input_gradient(&op, samples - checked, samples);
        return set.dx.same(expected, 0, checked) && set.dx.same(expected, samples - checked, samples);
    });
    state.SetLabel(place_of(bytes, where));
}

struct WeightGradientOperands {
    Random random;
    Matrix x, dz, w, m, v;
    mf_weight_update op = {};

    WeightGradientOperands(Left left, int in, int samples, int out)
        : x(samples, left == SPARSE ? static_cast<int>(MF_INPUTS) : in), dz(samples, out), w(in, out), m(in, out),
          v(in, out)
    {
        if (left == SPARSE)
            scalar_isa->scale(images().pixels.data(), 0, samples, x.view());
        else
            x.fill(random, 0.0f);
        op.x = x.view();
        op.dz = dz.fill(random, -1.0f, 0.001f).view();
        op.samples = samples;
        op.w = w.view();
        op.m = m.view();
        op.v = v.view();
        op.adam = adam;
    }
};

/* Dense: groups of panels outside, 16 rows inside; sparse the other way round, as a training step does it. */
void weight_update(benchmark::State &state, const mf_kernels *isa, Left left, Where where, int in, int samples, int out)
{
    const double bytes = sizeof(float) * (1.0 * samples * in + 1.0 * samples * out + 3.0 * in * out);
    Sets<WeightGradientOperands> sets(where, bytes, left, in, samples, out);
    Lists lists(samples);
    const int panels = panels_of(out);
    const auto run = [&] {
        mf_weight_update op = sets.next().op;
        op.lists = &lists.lists;
        if (left == SPARSE)
            by_blocks(in, [&](int begin, int end) {
                isa->pack_pixels(images().pixels.data(), samples, begin, end, &lists.lists);
                isa->weight_update_sparse(&op, begin, end, 0, panels);
            });
        else
            for (int first = 0; first < panels; first += isa->nr_panels)
                for (int begin = 0; begin < in; begin += MF_PANEL)
                    isa->weight_update(&op, begin, std::min(begin + MF_PANEL, in), first,
                                       std::min(first + isa->nr_panels, panels));
    };
    measure(state, isa, flop_of(in, samples, out), 0, run, [&] {
        const Matrix expected_w(in, out), expected_m(in, out), expected_v(in, out);
        const WeightGradientOperands &set = sets.first();
        mf_weight_update op = set.op;
        op.w = expected_w.view();
        op.m = expected_m.view();
        op.v = expected_v.view();
        bool same = true;
        const int last = (in - 1) / MF_PANEL * MF_PANEL;
        for (int begin = 0; begin <= last;
             begin += std::max(last, 1)) { /* the first rows, and those of the last panel */
            const int end = std::min(begin + 3, in);
            scalar_isa->weight_update(&op, begin, end, 0, panels);
            same = same && set.w.same(expected_w, begin, end) && set.m.same(expected_m, begin, end) &&
                   set.v.same(expected_v, begin, end);
        }
        return same;
    });
    state.SetLabel((left == SPARSE ? std::string(kind_of_images()) + ", " : "") + place_of(bytes, where));
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
            scalar_isa->bias_update(&reference, 0, 0, panels);
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

/* Lists differ from one instruction set to the next; the products that read them check what they give. */
void lists(benchmark::State &state, const mf_kernels *isa, bool of_pixels, int samples)
{
    Lists lists(of_pixels ? samples : static_cast<int>(MF_INPUTS));
    const uint8_t *const pixels = images().pixels.data();
    measure(
        state, isa, 0, 1.0 * MF_INPUTS * samples,
        [&] {
            by_blocks(of_pixels ? static_cast<int>(MF_INPUTS) : samples, [&](int begin, int end) {
                if (of_pixels)
                    isa->pack_pixels(pixels, samples, begin, end, &lists.lists);
                else
                    isa->pack_samples(pixels, begin, end, &lists.lists);
            });
        },
        [] { return true; });
    state.SetLabel(kind_of_images());
}

void index_columns(benchmark::State &state, const mf_kernels *isa, int samples, int columns)
{
    Random random;
    Matrix x(samples, columns);
    thin(x.fill(random, 0.0f), samples, columns, random);
    Lists lists(columns);
    measure(
        state, isa, 0, sizeof(float) * 1.0 * samples * columns,
        [&] {
            by_blocks(samples,
                      [&](int begin, int end) { isa->index_columns(x.view(), columns, begin, end, &lists.lists); });
        },
        [] { return true; });
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
        add("forward", isa, sizes_of(samples, in[l], out[l]), forward, DENSE, WARM, samples, in[l], out[l]);
    add("forward_listed", isa, sizes_of(samples, HIDDEN, HIDDEN), forward, PACKED_NONZEROS, WARM, samples, HIDDEN,
        HIDDEN);
    add("forward_sparse", isa, sizes_of(samples, MF_INPUTS, HIDDEN), forward, SPARSE, WARM, samples, MF_INPUTS, HIDDEN);
    for (int l = 2; l > 0; l--)
        add("input_gradient", isa, sizes_of(samples, out[l], in[l]), input_gradient, DENSE, WARM, samples, out[l],
            in[l]);
    add("input_gradient_listed", isa, sizes_of(samples, HIDDEN, HIDDEN), input_gradient, PACKED_NONZEROS, WARM, samples,
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
    add("pack_samples", isa, "m:1000", lists, false, BATCH);
    add("pack_pixels", isa, "m:1000", lists, true, BATCH);
    add("index_columns", isa, "m:1000/n:500", index_columns, BATCH, HIDDEN);
    add("transpose", isa, "m:500/n:500", transpose, HIDDEN);
}

} // namespace

int main(int argc, char **argv)
{
    for (const mf_kernels *const *isa = mf_isas; *isa; isa++)
        add_all(*isa);
    return run_benchmarks(argc, argv);
}
