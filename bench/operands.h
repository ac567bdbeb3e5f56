/* Operands of the kernels for bench/kernels.cc: matrices in panels, nonzeros, and where in the caches they are. */
#ifndef BENCH_OPERANDS_H
#define BENCH_OPERANDS_H

#include "common.h"

#include <deque>

class Matrix
{
  public:
    Matrix(int rows, int columns)
        : rows_(rows), columns_(columns), buffer_(static_cast<size_t>(panels()) * mf_stride(rows))
    {
    }
    Matrix &fill(Random &random, float low = -1.0f, float magnitude = 1.0f)
    {
        for (int j = 0; j < columns_; j++)
            for (int i = 0; i < rows_; i++)
                at(i, j) = magnitude * std::max(low, random.real());
        return *this;
    }
    /* As much of it becomes zero as behind a ReLU in training: a third, more in some columns than in others. */
    Matrix &thin(Random &random)
    {
        for (int j = 0; j < columns_; j++) {
            const uint64_t share = random.bits() % 67;
            for (int i = 0; i < rows_; i++)
                if (random.bits() % 100 < share)
                    at(i, j) = 0;
        }
        return *this;
    }
    mf_matrix view() const
    {
        mf_matrix matrix;
        matrix.data = buffer_.get();
        matrix.stride = mf_stride(rows_);
        return matrix;
    }
    float &at(int row, int column) const
    {
        return *mf_at(view(), row, column);
    }
    int panels() const
    {
        return mf_ceil_div(columns_, MF_PANEL);
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

/* What a kernel that skips zeros reads: memory for sums of this depth. A tile has at least one row. */
class Nonzeros
{
  public:
    enum { ROWS = 48 }; /* of a call */
    mf_packed_nonzeros packed;
    mf_nonzero_index index;

    explicit Nonzeros(int depth)
        : count_(ROWS * static_cast<size_t>(mf_chains(MF_BF16, depth))), offset_(terms(depth) + MF_INDEX_AHEAD),
          value_(terms(depth) + MF_PANEL), packed_offset_(terms(depth) + MF_INDEX_AHEAD)
    {
        packed.depth = index.depth = depth;
        packed.rows = index.rows = ROWS;
        packed.count = index.count = count_.get();
        packed.offset = offset_.get();
        packed.value = value_.get();
        index.packed_offset = packed_offset_.get();
    }

  private:
    static size_t terms(int depth)
    {
        return static_cast<size_t>(ROWS) * static_cast<size_t>(depth);
    }
    Buffer<int> count_;
    Buffer<int32_t> offset_;
    Buffer<float> value_;
    Buffer<uint64_t> packed_offset_;
};

/* Where the operands are before a run. */
enum Where { WARM, MEMORY };

inline double cache_bytes(int level)
{
    const long bytes = sysconf(level == 1   ? _SC_LEVEL1_DCACHE_SIZE
                               : level == 2 ? _SC_LEVEL2_CACHE_SIZE
                                            : _SC_LEVEL3_CACHE_SIZE);
    return bytes > 0 ? static_cast<double>(bytes) : 0;
}

inline std::string location_of(double bytes, Where where)
{
    char text[64];
    const char *location = "memory";
    for (int level = 3; where == WARM && level > 0; level--)
        if (bytes <= cache_bytes(level))
            location = level == 1 ? "L1" : level == 2 ? "L2" : "L3";
    std::snprintf(text, sizeof text, "operands: %.3g MB in %s", bytes / 1e6, location);
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

#endif
