/* What is done before the arithmetic: reading the files, and choosing, ordering and gathering the images of a batch.
 * One thread, MNIST's training images, files from the page cache. The result of each part is checked before it is
 * timed. (Packing and indexing the nonzeros is in kernels.cc.) */
#include "common.h"

#include <filesystem>
#include <numeric>
#include <zlib.h>

extern "C" {
#include "engine/sampler.h"
#include "engine/workspace.h"
#include "io/idx.h"
}

namespace
{

enum { COUNT = 60000, BATCH = 1000, SHUFFLE = 10000 };

const Images &images()
{
    static const Images images(MNIST_FAST_TRAIN, COUNT);
    return images;
}

/* The images as an IDX file of our own, raw or gzip. */
class File
{
  public:
    explicit File(bool gzip) : path_(std::filesystem::temp_directory_path() / "mnist_fast_bench_XXXXXX")
    {
        const int descriptor = mkstemp(path_.data());
        const uint32_t words[] = {0x803, static_cast<uint32_t>(images().count()), 28, 28}; /* the head of the format */
        uint8_t header[16];
        for (size_t i = 0; i < sizeof header; i++)
            header[i] = static_cast<uint8_t>(words[i / 4] >> (24 - 8 * (i % 4)));
        if (const gzFile file = descriptor < 0 ? nullptr : gzdopen(descriptor, gzip ? "wb6" : "wbT")) {
            good = gzwrite(file, header, sizeof header) == sizeof header &&
                   gzwrite(file, images().pixels.data(), static_cast<unsigned>(images().count() * MF_INPUTS)) > 0;
            good = gzclose(file) == Z_OK && good;
        }
    }
    ~File()
    {
        unlink(path_.c_str());
    }
    File(const File &) = delete;
    File &operator=(const File &) = delete;
    const char *path() const
    {
        return path_.c_str();
    }
    bool good = false;

  private:
    std::string path_;
};

void wrong(benchmark::State &state)
{
    wrong_result = true;
    state.SkipWithError("the result is wrong");
}

void read_images(benchmark::State &state, bool gzip)
{
    const File file(gzip);
    for (auto _ : state) {
        uint8_t *pixels = nullptr;
        size_t count = 0;
        const bool same = file.good && mf_idx_read_images(file.path(), &pixels, &count, nullptr) == MNIST_FAST_OK &&
                          count == images().count();
        state.PauseTiming();
        if (!same || std::memcmp(pixels, images().pixels.data(), count * MF_INPUTS))
            wrong(state);
        std::free(pixels);
        state.ResumeTiming();
    }
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(images().count() * MF_INPUTS));
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(images().count()));
}

bool each_once(std::vector<uint32_t> indices, size_t count)
{
    std::sort(indices.begin(), indices.end());
    for (size_t i = 0; i < count; i++)
        if (indices.size() != count || indices[i] != i)
            return false;
    return true;
}

void split(benchmark::State &state)
{
    for (auto _ : state) {
        mf_split split;
        if (mf_split_make(1, images().count(), 0.1, &split, nullptr) != MNIST_FAST_OK)
            wrong(state);
        state.PauseTiming();
        std::vector<uint32_t> both(split.train, split.train + split.train_count);
        both.insert(both.end(), split.validation, split.validation + split.validation_count);
        if (!each_once(both, images().count()))
            wrong(state);
        mf_split_free(&split);
        state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(images().count()));
}

/* The images in a shuffled order, and the sort_keys they are sorted by. */
struct Order {
    std::vector<uint32_t> indices, order, buffer;
    std::vector<uint8_t> sort_keys;

    Order() : indices(images().count()), order(indices.size()), buffer(SHUFFLE), sort_keys(indices.size())
    {
        std::iota(indices.begin(), indices.end(), 0);
        shuffle();
        make_sort_keys();
    }
    void shuffle()
    {
        mf_epoch_order(indices.data(), indices.size(), buffer.size(), 1, 0, buffer.data(), order.data());
    }
    void make_sort_keys()
    {
        for (size_t i = 0; i < sort_keys.size(); i++)
            sort_keys[i] = mf_sort_key(images().pixels.data() + i * MF_INPUTS, images().labels[i]);
    }
    void sort()
    {
        mf_sort_batches(sort_keys.data(), BATCH, buffer.data(), order.data(), order.size());
    }
};

template <typename Run, typename Check> void measure(benchmark::State &state, Run run, Check check)
{
    run();
    if (!check()) {
        wrong(state);
        return;
    }
    for (auto _ : state) {
        run();
        benchmark::ClobberMemory();
    }
}

void shuffle(benchmark::State &state)
{
    Order order;
    measure(
        state, [&] { order.shuffle(); }, [&] { return each_once(order.order, images().count()); });
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(images().count()));
}

void sort_keys(benchmark::State &state)
{
    Order order;
    measure(
        state, [&] { order.make_sort_keys(); },
        [&] {
            for (size_t i = 0; i < order.sort_keys.size(); i++)
                if (order.sort_keys[i] / MF_SKEWS != images().labels[i])
                    return false;
            return true;
        });
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(images().count()));
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(images().count() * MF_INPUTS));
}

/* Of an order that is sorted already after the first run; the work is the same. */
void sort(benchmark::State &state)
{
    Order order;
    measure(
        state, [&] { order.sort(); },
        [&] {
            for (size_t i = 1; i < order.order.size(); i++)
                if (i % BATCH && order.sort_keys[order.order[i - 1]] > order.sort_keys[order.order[i]])
                    return false;
            return each_once(order.order, images().count());
        });
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(images().count()));
}

/* Other images each time, as in an epoch: from memory. */
void gather(benchmark::State &state)
{
    const Order order;
    Buffer<uint8_t> pixels(BATCH * MF_INPUTS + 16), labels(BATCH);
    mf_workspace workspace = {};
    workspace.pixels = pixels.get();
    workspace.labels = labels.get();
    const mnist_fast_images all = images().view();
    size_t begin = 0;
    measure(
        state,
        [&] {
            begin = begin + 2 * BATCH <= order.order.size() ? begin + BATCH : 0;
            mf_gather(&workspace, &all, order.order.data(), begin, begin + BATCH, 0);
        },
        [&] {
            for (size_t i = 0; i < BATCH; i++) {
                const size_t image = order.order[begin + i];
                if (labels.get()[i] != all.labels[image] ||
                    std::memcmp(pixels.get() + i * MF_INPUTS, all.pixels + image * MF_INPUTS, MF_INPUTS))
                    return false;
            }
            return true;
        });
    state.SetItemsProcessed(state.iterations() * BATCH);
    state.SetBytesProcessed(state.iterations() * BATCH * MF_INPUTS);
}

} // namespace

int main(int argc, char **argv)
{
    benchmark::RegisterBenchmark("read", read_images, false)->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark("inflate", read_images, true)->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark("split", split)->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark("shuffle", shuffle)->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark("sort_keys", sort_keys)->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark("sort_batches", sort)->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark("gather", gather)->Unit(benchmark::kMicrosecond);
    return run_benchmarks(argc, argv);
}
