/* One library's matrix product at the shapes of a forward pass: sgemm THREADS SECONDS. Prints a line for each shape:
 * m k n, GFLOP/s (median over calls). Compiled once for each peer, with -DPEER_<NAME>; see run. */
#include "common.h"

#include <omp.h>

#if defined(PEER_OPENBLAS)
#include <cblas.h>
#elif defined(PEER_BLIS)
#include <blis.h>
#elif defined(PEER_ONEDNN)
#include <dnnl.h>
#elif defined(PEER_LIBXSMM)
#include <libxsmm.h>
#endif

namespace
{

struct Product {
    int m, k, n, threads;
    Buffer<float> a, b, c; /* row-major; for mnist_fast in panels */
    Product(int rows, int depth, int columns, int team)
        : m(rows), k(depth), n(columns), threads(team), a(padded(depth) * static_cast<size_t>(rows | 1)),
          b(padded(columns) * static_cast<size_t>(depth | 1)), c(padded(columns) * static_cast<size_t>(rows | 1))
    {
        Random random;
        for (Buffer<float> *matrix : {&a, &b})
            for (size_t i = 0; i < matrix->size(); i++)
                matrix->get()[i] = random.real();
    }
    static size_t padded(int columns)
    {
        return static_cast<size_t>((columns + MF_PANEL - 1) / MF_PANEL * MF_PANEL);
    }
};

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
    static const mf_kernels *const kernels = mf_kernels_choose(nullptr);
    mf_forward op = {};
    op.x = {p.a.get(), static_cast<size_t>(p.m | 1) * MF_PANEL};
    op.w = {p.b.get(), static_cast<size_t>(p.k | 1) * MF_PANEL};
    op.bias = op.w.data;
    op.y = {p.c.get(), static_cast<size_t>(p.m | 1) * MF_PANEL};
    op.in = p.k;
    op.panels = (p.n + MF_PANEL - 1) / MF_PANEL;
    op.relu = true;
    const int blocks = (p.m / p.threads + MF_LIST_BLOCK - 1) / MF_LIST_BLOCK * p.threads;
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

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const int threads = std::atoi(argv[1]);
    const double length = std::atof(argv[2]);
    omp_set_num_threads(threads);
#if defined(PEER_BLIS)
    bli_thread_set_num_threads(threads);
#elif defined(PEER_OPENBLAS)
    openblas_set_num_threads(threads);
#endif
    const int shapes[][3] = {{1000, 784, 500}, {1000, 500, 500}, {1000, 500, 10}};
    for (const auto &shape : shapes) {
        const Product product(shape[0], shape[1], shape[2], threads);
        multiply(product);
#if !defined(PEER_MNIST_FAST)
        if (!right(product)) {
            std::fprintf(stderr, "sgemm: a wrong result at k = %d, n = %d\n", product.k, product.n);
            return 1;
        }
#endif
        std::vector<double> times;
        for (const double begin = seconds_of(CLOCK_MONOTONIC); seconds_of(CLOCK_MONOTONIC) - begin < length;) {
            const double start = seconds_of(CLOCK_MONOTONIC);
            multiply(product);
            times.push_back(seconds_of(CLOCK_MONOTONIC) - start);
        }
        std::nth_element(times.begin(), times.begin() + static_cast<long>(times.size() / 2), times.end());
        std::printf("%d %d %d %.3f\n", product.m, product.k, product.n,
                    2e-9 * product.m * product.k * product.n / times[times.size() / 2]);
    }
}
