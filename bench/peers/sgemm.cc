/* One library's matrix product at the shapes of a forward pass: sgemm THREADS SECONDS. Prints the library's version,
 * then a line for each shape: m k n, GFLOP/s (median over calls). The Makefile compiles it for mnist_fast's own
 * kernels; run compiles it with -DPEER_<NAME> for each library, and skips those for which that, or a call, fails. */
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <omp.h>

#if defined(PEER_OPENBLAS)
#include <cblas.h>
#elif defined(PEER_BLIS)
#include <blis.h>
#elif defined(PEER_ONEDNN)
#include <dnnl.h>
#elif defined(PEER_LIBXSMM)
#include <libxsmm.h>
#else
extern "C" {
#include "kernels.h"
}
#define PEER_MNIST_FAST
#endif

namespace
{

/* Columns are padded to a multiple of this for mnist_fast; the libraries ignore the padding. */
constexpr int PANEL = 16;

struct Free {
    void operator()(float *memory) const
    {
        std::free(memory);
    }
};
using Matrix = std::unique_ptr<float, Free>;

/* Values in [-1, 1), the same in each run, on their own cache lines. */
Matrix matrix(int rows, int columns)
{
    const size_t padded = static_cast<size_t>(columns + PANEL - 1) / PANEL * PANEL;
    const size_t count = static_cast<size_t>(rows | 1) * padded;
    Matrix result(static_cast<float *>(std::aligned_alloc(64, count * sizeof(float))));
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        result.get()[i] = static_cast<float>(state >> 8) * 0x1p-23f - 1;
    }
    return result;
}

struct Product {
    int m, k, n, threads;
    Matrix a = matrix(m, k), b = matrix(k, n), c = matrix(m, n); /* row-major; for mnist_fast in panels */
};

std::string version()
{
#if defined(PEER_OPENBLAS)
    return openblas_get_config();
#elif defined(PEER_BLIS)
    return std::string("BLIS ") + bli_info_get_version_str();
#elif defined(PEER_ONEDNN)
    const dnnl_version_t *const v = dnnl_version();
    return "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
#elif defined(PEER_LIBXSMM)
    return "libxsmm " LIBXSMM_VERSION;
#else
    return std::string("mnist_fast, ") + mf_kernels_choose(nullptr, MF_FP32)->name;
#endif
}

/* False: this build of the library has no threads, so its rate would not be what it is asked for. */
bool set_threads(int threads)
{
    omp_set_num_threads(threads);
#if defined(PEER_OPENBLAS)
    openblas_set_num_threads(threads);
    return threads == 1 || openblas_get_parallel() != 0;
#elif defined(PEER_BLIS)
    bli_thread_set_num_threads(threads);
    return threads == 1 || bli_info_get_enable_threading();
#else
    return true;
#endif
}

void multiply(const Product &p)
{
#if defined(PEER_OPENBLAS)
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, p.m, p.n, p.k, 1.0f, p.a.get(), p.k, p.b.get(), p.n, 0.0f,
                p.c.get(), p.n);
#elif defined(PEER_BLIS)
    float one = 1.0f, zero = 0.0f;
    bli_sgemm(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, p.m, p.n, p.k, &one, p.a.get(), p.k, 1, p.b.get(), p.n, 1, &zero,
              p.c.get(), p.n, 1);
#elif defined(PEER_ONEDNN)
    dnnl_sgemm('N', 'N', p.m, p.n, p.k, 1.0f, p.a.get(), p.k, p.b.get(), p.n, 0.0f, p.c.get(), p.n);
#elif defined(PEER_LIBXSMM)
    /* it counts columns first, so this is the product of the transposes */
    const libxsmm_blasint m = p.n, n = p.m, k = p.k;
    const float one = 1.0f, zero = 0.0f;
    libxsmm_sgemm_omp("N", "N", &m, &n, &k, &one, p.b.get(), &m, p.a.get(), &k, &zero, p.c.get(), &m);
#else
    static_assert(PANEL == MF_PANEL, "operands are padded for panels");
    static const mf_kernels *const kernels = mf_kernels_choose(nullptr, MF_FP32);
    mf_forward op = {};
    op.x = {p.a.get(), mf_stride(p.m)};
    op.w = {p.b.get(), mf_stride(p.k)};
    op.bias = op.w.data;
    op.y = {p.c.get(), mf_stride(p.m)};
    op.in = p.k;
    op.panels = mf_ceil_div(p.n, MF_PANEL);
    op.relu = true;
    const int blocks = mf_ceil_div(p.m / p.threads, 48) * p.threads;
#pragma omp parallel for num_threads(p.threads) schedule(static)
    for (int b = 0; b < blocks; b++)
        kernels->forward(&op, p.m * b / blocks, p.m * (b + 1) / blocks);
#endif
}

/* Whether the last element of a row-major result is what it should be. Tests do this for the panels of mnist_fast. */
[[maybe_unused]] bool right(const Product &p)
{
    double sum = 0;
    for (int k = 0; k < p.k; k++)
        sum += static_cast<double>(p.a.get()[(p.m - 1) * p.k + k]) * p.b.get()[k * p.n + p.n - 1];
    return std::abs(sum - p.c.get()[p.m * p.n - 1]) < 1e-3;
}

double now()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const int threads = std::atoi(argv[1]);
    const double length = std::atof(argv[2]);
    if (!set_threads(threads)) {
        std::fprintf(stderr, "this build of the library has one thread only\n");
        return 1;
    }
    std::printf("%s\n", version().c_str());
    const int shapes[][3] = {{1000, 784, 500}, {1000, 500, 500}, {1000, 500, 10}};
    for (const auto &shape : shapes) {
        const Product product{shape[0], shape[1], shape[2], threads};
        multiply(product);
#if !defined(PEER_MNIST_FAST)
        if (!right(product)) {
            std::fprintf(stderr, "a wrong result at k = %d, n = %d\n", product.k, product.n);
            return 1;
        }
#endif
        std::vector<double> times;
        const double begin = now();
        do {
            const double start = now();
            multiply(product);
            times.push_back(now() - start);
        } while (now() - begin < length);
        std::nth_element(times.begin(), times.begin() + static_cast<long>(times.size() / 2), times.end());
        std::printf("%d %d %d %.3f\n", product.m, product.k, product.n,
                    2e-9 * product.m * product.k * product.n / times[times.size() / 2]);
    }
}
