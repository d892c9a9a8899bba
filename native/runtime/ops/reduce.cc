// Sums, products, extremes and their positions along axes.
//
// The dimensions are sorted into kept ones (outer) and reduced ones (inner). What remains after merging is one of:
// contiguous rows to reduce, several of them for one result, rows to combine column by column, or, for anything else, a
// contiguous copy of it.
#include <limits>
#include <type_traits>

#include "../cpu.h"
#include "../tensor/dispatch.h"
#include "../tensor/move.h"
#include "columns.h"
#include "kept.h"
#include "ops.h"

namespace latent {
namespace {

// A row longer than this is reduced in parts of this length, whose results are combined in order.
constexpr int64_t kPart = int64_t(1) << 17;

// Rows that are shorter are better copied together, and so are those of so few results that the copy's threads count.
constexpr int64_t kShortRow = 32, kFewResults = 16;

template <class T>
T combineParts(Reduce op, const T* parts, int64_t n) {
  if (op == Reduce::kSum) {
    double total = 0;
    for (int64_t i = 0; i < n; ++i) total += static_cast<double>(parts[i]);
    return static_cast<T>(total);
  }
  return floatKernels<T>(kernels()).reduceRow[static_cast<int>(op)](n, parts);
}

// A NaN wins over every number, as in the kernels.
template <class T>
T reduceLongRow(Reduce op, int64_t n, const T* x, Status& status) {
  const int64_t parts = (n + kPart - 1) / kPart;
  Scratch results(static_cast<size_t>(parts) * sizeof(T));
  if (results.failed()) {
    status = Status::kOutOfMemory;
    return T(0);
  }
  const auto reduceRow = floatKernels<T>(kernels()).reduceRow[static_cast<int>(op)];
  parallelFor(parts, [&](int64_t i) {
    const int64_t begin = i * kPart;
    results.as<T>()[i] = reduceRow(n - begin < kPart ? n - begin : kPart, x + begin);
  });
  return combineParts(op, results.as<T>(), parts);
}

// Several rows for each result.
template <class T>
Status reduceRowGroups(Reduce op, const Loop<1>& keptLoop, const Loop<1>& reducedLoop, const T* x, T* out,
                       int64_t outSize) {
  const int64_t n = reducedLoop.size, parts = n / reducedLoop.rowLength();
  const auto reduceRow = floatKernels<T>(kernels()).reduceRow[static_cast<int>(op)];
  const Scratch results(static_cast<size_t>(parts * outSize) * sizeof(T));
  if (results.failed()) return Status::kOutOfMemory;
  parallelRanges(outSize, kElementGrain / (n + 1) + 1, [&](int64_t begin, int64_t end) {
    int64_t at = begin;
    keptLoop.forRows(begin, end, [&](const int64_t (&o)[1], int64_t count) {
      for (int64_t i = 0; i < count; ++i, ++at) {
        const T* from = x + o[0] + i * keptLoop.rowStride(0);
        T* const own = results.as<T>() + at * parts;
        T* part = own;
        reducedLoop.forRows(0, n, [&](const int64_t (&r)[1], int64_t length) { *part++ = reduceRow(length, from + r[0]); });
        out[at] = combineParts(op, own, parts);
      }
    });
  });
  return Status::kOk;
}

template <class T>
Status reduceFloat(Reduce op, View v, int kept, T* out, int64_t outSize) {
  const auto& k = floatKernels<T>(kernels());
  Loop<1> keptLoop = loopOver(v, 0, kept), reducedLoop = loopOver(v, kept, v.rank);
  const int64_t n = reducedLoop.size;
  const bool rows = reducedLoop.rank == 0 || (reducedLoop.rank == 1 && reducedLoop.rowStride(0) == 1);
  const bool columns = reducedLoop.rank <= 1 && keptLoop.rank >= 1 && keptLoop.rowStride(0) == 1;
  if (columns && !rows) {
    const int64_t stride = reducedLoop.rowStride(0), width = keptLoop.rowLength();
    const int64_t planes = outSize / width;
    // Long columns are combined in parts.
    if (planes == 1 || n > 2 * partRowsOf(width)) {
      Status status = Status::kOk;
      int64_t at = 0;
      keptLoop.forRows(0, outSize, [&](const int64_t (&o)[1], int64_t) {
        if (status == Status::kOk) status = combineColumns(op, n, width, v.as<T>() + o[0], stride, out + at);
        at += width;
      });
      return status;
    }
    parallelRanges(planes, kElementGrain / (n * width) + 1, [&](int64_t begin, int64_t end) {
      int64_t at = begin * width;
      keptLoop.forRows(at, end * width, [&](const int64_t (&o)[1], int64_t) {
        k.reduceColumns[static_cast<int>(op)](n, width, v.as<T>() + o[0], stride, out + at);
        at += width;
      });
    });
    return Status::kOk;
  }
  const bool groups = reducedLoop.rank > 1 && reducedLoop.rowStride(0) == 1 && reducedLoop.rowLength() >= kShortRow &&
                      reducedLoop.rowLength() <= kPart && (n <= kPart || outSize >= kFewResults);
  if (groups) return reduceRowGroups<T>(op, keptLoop, reducedLoop, v.as<T>(), out, outSize);
  if (!rows) {
    const Contiguous copy(v);
    if (copy.failed()) return Status::kOutOfMemory;
    View dense = v;
    dense.data = const_cast<char*>(copy.as<char>());
    dense.setContiguousStrides();
    return reduceFloat<T>(op, dense, kept, out, outSize);
  }
  const T* source = v.as<T>();
  if (n > kPart) {
    Status status = Status::kOk;
    int64_t at = 0;
    keptLoop.forRows(0, outSize, [&](const int64_t (&o)[1], int64_t count) {
      for (int64_t i = 0; i < count; ++i, ++at) {
        out[at] = reduceLongRow(op, n, source + o[0] + i * keptLoop.rowStride(0), status);
      }
    });
    return status;
  }
  parallelRanges(outSize, kElementGrain / (n + 1) + 1, [&](int64_t begin, int64_t end) {
    int64_t at = begin;
    keptLoop.forRows(begin, end, [&](const int64_t (&o)[1], int64_t count) {
      for (int64_t i = 0; i < count; ++i, ++at) {
        out[at] = k.reduceRow[static_cast<int>(op)](n, source + o[0] + i * keptLoop.rowStride(0));
      }
    });
  });
  return Status::kOk;
}

// Whether integers are combined to int32, and nothing has a result.
bool accumulates(Reduce op) { return op == Reduce::kSum || op == Reduce::kProd; }

int64_t wide(int32_t x) { return x; }
int64_t wide(uint8_t x) { return x; }
int64_t wide(Bool x) { return x.v; }

constexpr int64_t kLeast = std::numeric_limits<int32_t>::min(), kMost = std::numeric_limits<int32_t>::max();

// Integers combined one by one.
class Gathered {
 public:
  explicit Gathered(Reduce op) : op_(op), total_(op == Reduce::kProd) {
    if (op == Reduce::kMax) total_ = std::numeric_limits<int64_t>::min();
    if (op == Reduce::kMin) total_ = std::numeric_limits<int64_t>::max();
  }

  void take(int64_t x) {
    if (op_ == Reduce::kSum) {
      total_ += x;
    } else if (op_ == Reduce::kProd) {
      // Once beyond int32 a product comes back by a zero alone.
      if (x == 0 || total_ < kLeast || total_ > kMost) total_ = x == 0 ? 0 : total_;
      else total_ *= x;
    } else if ((op_ == Reduce::kMax) == (x > total_)) {
      total_ = x;
    }
  }
  int64_t total() const { return total_; }

 private:
  Reduce op_;
  int64_t total_;
};

// Sums and products of integers are int32 and exact or refused; extremes keep the type.
template <class T>
Status reduceInteger(Reduce op, const View& v, int kept, const View& out) {
  Loop<1> keptLoop = loopOver(v, 0, kept), reducedLoop = loopOver(v, kept, v.rank);
  Status status = Status::kOk;
  int64_t at = 0;
  keptLoop.forRows(0, keptLoop.size, [&](const int64_t (&o)[1], int64_t count) {
    for (int64_t i = 0; i < count; ++i, ++at) {
      const T* base = v.as<T>() + o[0] + i * keptLoop.rowStride(0);
      Gathered gathered(op);
      reducedLoop.forRows(0, reducedLoop.size, [&](const int64_t (&r)[1], int64_t n) {
        for (int64_t j = 0; j < n; ++j) {
          gathered.take(wide(base[r[0] + j * reducedLoop.rowStride(0)]));
        }
      });
      const int64_t total = gathered.total();
      if (accumulates(op)) {
        if (total > kMost || total < kLeast) status = Status::kOverflow;
        out.as<int32_t>()[at] = static_cast<int32_t>(total);
      } else {
        if constexpr (std::is_same_v<T, Bool>) out.as<uint8_t>()[at] = static_cast<uint8_t>(total);
        else out.as<T>()[at] = static_cast<T>(total);
      }
    }
  });
  return status;
}

int64_t reducedCount(const View& in, int32_t axes) {
  int64_t n = 1;
  for (int d = 0; d < in.rank; ++d) {
    if ((axes >> d & 1) != 0) n *= in.shape[d];
  }
  return n;
}

// ints: the axes as a bit set. reals: a divisor for sums (1 for a plain one).
template <Reduce kOp>
Status runReduce(Call& call) {
  const View &in = call.in[0], &out = call.out;
  const int32_t axes = call.ints[0];
  int kept = 0;
  const View v = permuteKeptFirst(in, axes, kept);
  int64_t keptSize = 1;
  for (int d = 0; d < kept; ++d) keptSize *= v.shape[d];
  if (out.size() != keptSize || !out.contiguous()) return LATENT_BROKEN;
  if (keptSize == 0) return Status::kOk;
  if (reducedCount(in, axes) == 0) {
    if (!accumulates(kOp)) return LATENT_BROKEN;
    // The sum of nothing is 0, its mean NaN, its product 1.
    const bool isMean = kOp == Reduce::kSum && call.reals[0] != 1;
    fillWith(out, isMean ? std::numeric_limits<double>::quiet_NaN() : (kOp == Reduce::kSum ? 0.0 : 1.0));
    return Status::kOk;
  }
  Status status = Status::kOk;
  if (isFloat(in.dtype)) {
    if (out.dtype != in.dtype) return LATENT_BROKEN;
    withFloat(in.dtype, [&](auto type) {
      using T = typename decltype(type)::Of;
      status = reduceFloat<T>(kOp, v, kept, out.as<T>(), keptSize);
      const T divisor = static_cast<T>(call.reals[0]);
      if (status == Status::kOk && kOp == Reduce::kSum && divisor != T(1)) {
        const auto divide =
            floatKernels<T>(kernels()).binary[static_cast<int>(Binary::kDiv)][static_cast<int>(Broadcast::kRight)];
        divide(keptSize, out.as<T>(), &divisor, out.as<T>());
      }
    });
    return status;
  }
  if (out.dtype != (accumulates(kOp) ? DType::kInt32 : in.dtype)) return LATENT_BROKEN;
  withType(in.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    if constexpr (!std::is_floating_point_v<T>) status = reduceInteger<T>(kOp, v, kept, out);
  });
  return status;
}

template <class T>
double comparable(T x) {
  if constexpr (std::is_same_v<T, Bool>) return x.v;
  else return static_cast<double>(x);
}

// ints: the axes as a bit set (one axis, or all). The first of equals; NaN counts as the extreme.
template <bool kMaximum>
Status runArgExtreme(Call& call) {
  const View &in = call.in[0], &out = call.out;
  int kept = 0;
  const View v = permuteKeptFirst(in, call.ints[0], kept);
  const Loop<1> keptLoop = loopOver(v, 0, kept), reducedLoop = loopOver(v, kept, v.rank);
  if (out.dtype != DType::kInt32 || out.size() != keptLoop.size || !out.contiguous()) return LATENT_BROKEN;
  if (keptLoop.size == 0) return Status::kOk;
  if (reducedLoop.size == 0 || reducedLoop.size > std::numeric_limits<int32_t>::max()) return LATENT_BROKEN;
  withType(in.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    parallelRanges(keptLoop.size, kElementGrain / (reducedLoop.size + 1) + 1, [&](int64_t begin, int64_t end) {
      int64_t at = begin;
      keptLoop.forRows(begin, end, [&](const int64_t (&o)[1], int64_t count) {
        for (int64_t i = 0; i < count; ++i, ++at) {
          const T* base = v.as<T>() + o[0] + i * keptLoop.rowStride(0);
          int64_t position = 0, best = 0;
          double extreme = 0;
          bool settled = false;
          reducedLoop.forRows(0, reducedLoop.size, [&](const int64_t (&r)[1], int64_t n) {
            for (int64_t j = 0; j < n; ++j, ++position) {
              if (settled) continue;
              const double x = comparable(base[r[0] + j * reducedLoop.rowStride(0)]);
              if (position == 0 || (kMaximum ? x > extreme : x < extreme) || x != x) {
                extreme = x;
                best = position;
                settled = x != x;
              }
            }
          });
          out.as<int32_t>()[at] = static_cast<int32_t>(best);
        }
      });
    });
  });
  return Status::kOk;
}

const OpEntry kEntries[] = {
    {"sum", OpKind::kFill, 1, 1, runReduce<Reduce::kSum>}, {"prod", OpKind::kFill, 1, 1, runReduce<Reduce::kProd>},
    {"max", OpKind::kFill, 1, 1, runReduce<Reduce::kMax>}, {"min", OpKind::kFill, 1, 1, runReduce<Reduce::kMin>},
    {"argmax", OpKind::kFill, 1, 1, runArgExtreme<true>},  {"argmin", OpKind::kFill, 1, 1, runArgExtreme<false>},
};

}  // namespace

const OpList kReduceOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
