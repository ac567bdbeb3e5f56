/* Shared by the benchmarks: images, the FMA peak of this CPU, and what a report says about the run. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <unistd.h>
#include <vector>

extern "C" {
#include "base/cpu.h"
#include "kernels.h"
#include "mnist_fast.h"
}

[[noreturn]] inline void fail(const std::string &text, int status = 1)
{
    std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, text.c_str());
    std::exit(status);
}

/* Memory on its own cache lines. */
template <typename T> class Buffer
{
  public:
    explicit Buffer(size_t count) : count_(count), data_(static_cast<T *>(operator new(count * sizeof(T), line)))
    {
        std::memset(static_cast<void *>(data_.get()), 0, count * sizeof(T));
    }
    T *get() const
    {
        return data_.get();
    }
    size_t size() const
    {
        return count_;
    }

  private:
    static constexpr std::align_val_t line{64};
    struct Free {
        void operator()(T *data) const
        {
            operator delete(data, line);
        }
    };
    size_t count_;
    std::unique_ptr<T, Free> data_;
};

/* SplitMix64. */
class Random
{
  public:
    uint64_t bits()
    {
        uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    float real() /* in [-1, 1) */
    {
        return static_cast<float>(static_cast<int64_t>(bits()) >> 40) * 0x1p-23f;
    }

  private:
    uint64_t state_ = 1;
};

inline std::string data_folder()
{
    const char *const folder = std::getenv("MNIST_FAST_DATA");
    return folder ? folder : "data";
}

/* The images of one file of data/ (or MNIST_FAST_DATA), else random ones with as much ink: 19% of the pixels. */
struct Images {
    std::vector<uint8_t> pixels, labels;
    bool real = false;

    Images(mnist_fast_part part, size_t random_count)
    {
        enum { RESERVE = 16 }; /* that pack_pixels may read */
        mnist_fast_images images = {};
        real = mnist_fast_load_images(data_folder().c_str(), part, 1, &images, nullptr) == MNIST_FAST_OK;
        const size_t count = real ? images.count : random_count;
        pixels.resize(count * MF_INPUTS + RESERVE);
        labels.resize(count);
        if (real) {
            std::memcpy(pixels.data(), images.pixels, count * MF_INPUTS);
            std::memcpy(labels.data(), images.labels, count);
        } else {
            Random random;
            for (size_t i = 0; i < count * MF_INPUTS; i++)
                pixels[i] = random.bits() % 100 < 19 ? static_cast<uint8_t>(random.bits() % 255 + 1) : 0;
            for (uint8_t &label : labels)
                label = static_cast<uint8_t>(random.bits() % MF_CLASSES);
        }
        mnist_fast_free_images(&images);
    }
    size_t count() const
    {
        return labels.size();
    }
    mnist_fast_images view() const
    {
        mnist_fast_images images = {};
        images.pixels = pixels.data();
        images.labels = labels.data();
        images.count = count();
        return images;
    }
    const char *source() const
    {
        return real ? "MNIST" : "random images";
    }
};

inline double seconds_of(clockid_t clock)
{
    timespec now;
    clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/* Time of the calling thread alone, so that other programs on the machine count for little. */
inline double thread_seconds()
{
    return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

/* A table of kernels is called by its instruction set, and with "-bf16" after it in that precision. */
inline std::string title_of(const mf_kernels *kernels)
{
    return std::string(kernels->name) + (kernels->precision == MF_BF16 ? "-bf16" : "");
}

inline const mf_kernels *kernels_titled(const std::string &title)
{
    for (const mf_precision precision : {MF_FP32, MF_BF16})
        for (const mf_kernels *const *isa = mf_isas_of(precision); *isa; isa++)
            if (title == title_of(*isa))
                return (*isa)->supported() ? *isa : nullptr;
    return nullptr;
}

/* What a training is compared with: the fp32 peak of the same registers. "avx512bf16" and "amx" are for bf16 alone. */
inline std::string fp32_title(const std::string &title)
{
    return title == "amx-bf16" || title == "avx512bf16-bf16" ? "avx512" : title.substr(0, title.find('-'));
}

/* The same for the tiles of AMX: six independent sums of 16 x 16 x 32 terms. */
inline double tile_rounds(long rounds)
{
#if defined(__x86_64__)
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape = {1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    static const uint16_t half[512] = {};
    long left = rounds;
    __asm__ volatile("ldtilecfg %1\n\t"
                     "tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\t"
                     "tilezero %%tmm3\n\ttilezero %%tmm4\n\ttilezero %%tmm5\n\t"
                     "tileloadd (%2,%3,1), %%tmm6\n\ttileloadd (%2,%3,1), %%tmm7\n\t"
                     "1:\n\t"
                     "tdpbf16ps %%tmm7, %%tmm6, %%tmm0\n\ttdpbf16ps %%tmm7, %%tmm6, %%tmm1\n\t"
                     "tdpbf16ps %%tmm7, %%tmm6, %%tmm2\n\ttdpbf16ps %%tmm7, %%tmm6, %%tmm3\n\t"
                     "tdpbf16ps %%tmm7, %%tmm6, %%tmm4\n\ttdpbf16ps %%tmm7, %%tmm6, %%tmm5\n\t"
                     "dec %0\n\t"
                     "jnz 1b\n\t"
                     "tilerelease"
                     : "+r"(left)
                     : "m"(shape), "r"(half), "r"(64L)
                     : "cc", "memory");
    return 2.0 * 6 * 16 * 16 * 32 * static_cast<double>(rounds);
#else
    (void)rounds;
    return 0;
#endif
}

/* Rounds of independent fused multiply-adds from register to register, in assembly because compilers spill them.
 * Returns the floating-point operations of it all, or 0 where this CPU has no such instructions. */
inline double fma_rounds(const std::string &title, long rounds)
{
    if (title == "amx-bf16")
        return kernels_titled(title) ? tile_rounds(rounds) : 0;
    const bool pairs = title == "avx512bf16-bf16"; /* two multiply-adds a lane */
    const std::string isa = pairs ? title : fp32_title(title);
    /* clang-format formats these strings differently on each run. */
    /* clang-format off */
#if defined(__x86_64__)
/* 14 sums, so that two units with a latency of 4 or 5 never wait; both factors are 0.5. */
#define FMA(op, v, sum) op " %%" v "14, %%" v "15, %%" v sum "\n\t"
#define FMAS(op, v)                                                                                                    \
    FMA(op, v, "0") FMA(op, v, "1") FMA(op, v, "2") FMA(op, v, "3") FMA(op, v, "4") FMA(op, v, "5") FMA(op, v, "6")    \
    FMA(op, v, "7") FMA(op, v, "8") FMA(op, v, "9") FMA(op, v, "10") FMA(op, v, "11") FMA(op, v, "12")                 \
    FMA(op, v, "13")
/* vdpbf16ps waits longer: 6 more. The compiler does not use these registers here. */
#define MORE(op, v)                                                                                                    \
    FMA(op, v, "16") FMA(op, v, "17") FMA(op, v, "18") FMA(op, v, "19") FMA(op, v, "20") FMA(op, v, "21")
#define ROUNDS(op, v, more)                                                                                            \
    __asm__ volatile("vbroadcastss %1, %%" v "14\n\t"                                                                  \
                     "vbroadcastss %1, %%" v "15\n\t"                                                                  \
                     "1:\n\t" FMAS(op, v) more FMAS(op, v) more                                                        \
                     "dec %0\n\t"                                                                                      \
                     "jnz 1b\n\t"                                                                                      \
                     "vzeroupper"                                                                                      \
                     : "+r"(rounds)                                                                                    \
                     : "m"(half)                                                                                       \
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",  \
                       "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")
    const float half = 0.5f;
    const double terms = 2.0 * 28 * static_cast<double>(rounds);
    if (isa == "avx2" && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        ROUNDS("vfmadd231ps", "ymm", "");
        return terms * 8;
    }
    if (isa == "avx512" && __builtin_cpu_supports("avx512f")) {
        ROUNDS("vfmadd231ps", "zmm", "");
        return terms * 16;
    }
    if (pairs && kernels_titled(title)) {
        ROUNDS("vdpbf16ps", "zmm", MORE("vdpbf16ps", "zmm"));
        return 2 * terms * 20 / 14 * 16;
    }
#undef ROUNDS
#undef MORE
#undef FMAS
#undef FMA
#elif defined(__aarch64__)
#define FMA(sum) "fmla v" #sum ".4s, v30.4s, v31.4s\n\t"
    if (isa == "neon") {
        const double terms = 2.0 * 24 * static_cast<double>(rounds);
        __asm__ volatile("fmov v30.4s, #0.5\n\t"
                         "fmov v31.4s, #0.5\n\t"
                         "1:\n\t"
                         FMA(0) FMA(1) FMA(2) FMA(3) FMA(4) FMA(5) FMA(6) FMA(7) FMA(8) FMA(9) FMA(10) FMA(11)
                         FMA(12) FMA(13) FMA(14) FMA(15) FMA(16) FMA(17) FMA(18) FMA(19) FMA(20) FMA(21) FMA(22)
                         FMA(23)
                         "subs %0, %0, #1\n\t"
                         "b.ne 1b"
                         : "+r"(rounds)
                         :
                         : "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12",
                           "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v30", "v31");
        return terms * 4;
    }
#undef FMA
#endif
    /* clang-format on */
    (void)isa, (void)pairs, (void)rounds;
    return 0;
}

/* The FMA peak of one thread in FLOP/s, measured now: about 4 ms, the best of a few. 0: there is none for this ISA. */
inline double fma_peak(const std::string &isa)
{
    double best = 0;
    for (int i = 0; i < 4; i++) {
        const double begin = thread_seconds(), flop = fma_rounds(isa, 60000), rate = flop / (thread_seconds() - begin);
        if (flop > 0 && rate > best)
            best = rate;
    }
    return best;
}

/* The rate of `flop` an iteration, and its share of the peak; seconds: of all iterations. The rate is dense-equivalent:
 * zeros that are skipped count as computed, so it may be above the peak. */
inline void report_flop(benchmark::State &state, double flop, double peak, double seconds)
{
    const double all = flop * static_cast<double>(state.iterations());
    state.counters["FLOP/s"] = benchmark::Counter(all, benchmark::Counter::kIsRate);
    if (peak > 0) {
        state.counters["peak"] = peak;
        state.counters["%peak"] = 100 * all / seconds / peak;
    }
}

/* The first line of a command's output. */
inline std::string line_of(const char *command)
{
    std::string text;
    if (FILE *const pipe = popen(command, "r")) {
        for (int c; (c = std::fgetc(pipe)) != EOF && c != '\n';)
            text += static_cast<char>(c);
        pclose(pipe);
    }
    return text.empty() ? "unknown" : text;
}

/* The name, and on x86 family and model: in a virtual machine the name alone says little. */
inline std::string cpu_model()
{
    std::string name, numbers;
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line) && !line.empty();) {
        const std::string key = line.substr(0, line.find_last_not_of("\t ", line.find(':') - 1) + 1);
        const std::string value = line.substr(std::min(line.size(), line.find(':') + 2));
        if (key == "model name")
            name = value;
        if (key == "cpu family" || key == "model")
            numbers += (numbers.empty() ? ", family " : " model ") + value;
    }
    return name.empty() ? line_of("uname -m") : name + numbers;
}

/* The Makefile leaves the commands that it used in the build folder, above the folder of this executable. */
inline std::string build_flags()
{
    char path[4096];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    const std::string exe(path, length > 0 ? static_cast<size_t>(length) : 0);
    std::ifstream file(exe.substr(0, exe.rfind('/') + 1) + "../command");
    std::string flags, word;
    while (file >> word)
        if (word.find("-ffile-prefix-map=") == std::string::npos) /* quoted or not, names a folder of this machine */
            flags += (flags.empty() ? "" : " ") + word;
    return flags.empty() ? "unknown" : flags;
}

inline std::string gigaflops(double flops)
{
    char text[32];
    std::snprintf(text, sizeof text, "%.1f GFLOP/s", flops / 1e9);
    return text;
}

/* Set by a benchmark whose result is wrong: the exit status is then 1. */
inline bool wrong_result = false;

inline int run_benchmarks(int argc, char **argv)
{
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    benchmark::AddCustomContext("isa", mf_kernels_choose(nullptr, MF_FP32)->name);
    benchmark::AddCustomContext("cpu", cpu_model());
    benchmark::AddCustomContext("threads", std::to_string(mf_cpu_default_threads()));
    benchmark::AddCustomContext("compiler", __VERSION__);
    benchmark::AddCustomContext("flags", build_flags());
    benchmark::AddCustomContext("commit", line_of("git describe --always --dirty 2>/dev/null"));
    for (const mf_kernels *const *isa = mf_isas; *isa; isa++)
        if (const double peak = fma_peak((*isa)->name); peak > 0)
            benchmark::AddCustomContext("fma_peak_" + std::string((*isa)->name), gigaflops(peak));
    if (const double peak = fma_peak("amx-bf16"); peak > 0)
        benchmark::AddCustomContext("peak_amx_bf16", gigaflops(peak));
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return wrong_result ? 1 : 0;
}

#endif
