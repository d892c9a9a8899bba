// Sums of squares along axes, and their roots. They are added up in double, in an order that the shape alone tells, so that
// they leave the range of float32 no sooner than the result does.
#include <algorithm>
#include <cmath>
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

// Longer rows are summed in parts of this length.
constexpr int64_t kPart = int64_t(1) << 17;
// Elements of rows that are squared together.
constexpr int64_t kTogether = 1024;

struct Finish {
  double divisor;
  bool root;

  // Of a sum that is measured in units of `unit`.
  template <class T>
  T of(double sum, double unit = 1) const {
    const double mean = sum / divisor;
    return static_cast<T>(root ? std::sqrt(mean) * unit : mean * unit * unit);
  }
};

// Whether a sum of doubles has lost what its root would still hold.
template <class T>
bool leavesRange(double sum) {
  return std::is_same_v<T, double> &&
         (std::isinf(sum) || sum < std::numeric_limits<double>::min() / std::numeric_limits<double>::epsilon());
}

// In units of the largest element.
template <class T>
T wide(const Finish& finish, const Loop<1>& loop, const T* x) {
  double unit = 0, sum = 0;
  const auto forEach = [&](auto&& each) {
    loop.forRows(0, loop.size, [&](const int64_t (&o)[1], int64_t n) {
      for (int64_t i = 0; i < n; ++i) each(static_cast<double>(x[o[0] + i * loop.rowStride(0)]));
    });
  };
  forEach([&](double value) { unit = std::fmax(unit, std::fabs(value)); });
  if (unit == 0) return T(0);
  forEach([&](double value) { sum += std::isinf(unit) ? value * value : value / unit * (value / unit); });
  return finish.of<T>(sum, std::isinf(unit) ? 1 : unit);
}

// The sum of a long row, part by part.
template <class T>
Status sumLongRow(int64_t n, const T* x, double& sum) {
  const int64_t parts = (n + kPart - 1) / kPart;
  const Scratch room(static_cast<size_t>(parts) * sizeof(double));
  if (room.failed()) return Status::kOutOfMemory;
  parallelFor(parts, [&](int64_t i) {
    const int64_t from = i * kPart;
    room.as<double>()[i] = floatKernels<T>(kernels()).sumOfSquares(n - from < kPart ? n - from : kPart, x + from);
  });
  sum = 0;
  for (int64_t i = 0; i < parts; ++i) sum += room.as<double>()[i];
  return Status::kOk;
}

// `kept` rows of `reduced` elements.
template <class T>
Status squaresOfRows(const Finish& finish, const Loop<1>& kept, const Loop<1>& reduced, const T* x, T* out) {
  const int64_t n = reduced.size;
  const auto result = [&](double sum, const T* row) {
    return leavesRange<T>(sum) ? wide(finish, reduced, row) : finish.of<T>(sum);
  };
  const auto forRows = [&](int64_t begin, int64_t end, auto&& each) {
    int64_t at = begin;
    kept.forRows(begin, end, [&](const int64_t (&o)[1], int64_t count) {
      for (int64_t i = 0; i < count; ++i, ++at) each(at, x + o[0] + i * kept.rowStride(0));
    });
  };
  if (n > kPart) {
    Status status = Status::kOk;
    forRows(0, kept.size, [&](int64_t at, const T* row) {
      double sum = 0;
      if (status == Status::kOk) status = sumLongRow(n, row, sum);
      out[at] = result(sum, row);
    });
    return status;
  }
  const auto sumOfSquares = floatKernels<T>(kernels()).sumOfSquares;
  parallelRanges(kept.size, kElementGrain / n + 1, [&](int64_t begin, int64_t end) {
    forRows(begin, end, [&](int64_t at, const T* row) { out[at] = result(sumOfSquares(n, row), row); });
  });
  return Status::kOk;
}

// Each column of `rows` rows, `stride` apart.
template <class T>
void squaresOfColumns(const Finish& finish, int64_t rows, int64_t columns, const T* x, int64_t stride, T* out) {
  const auto& k = floatKernels<double>(kernels());
  const auto multiply = k.binary[static_cast<int>(Binary::kMul)][static_cast<int>(Broadcast::kNone)];
  const auto add = k.binary[static_cast<int>(Binary::kAdd)][static_cast<int>(Broadcast::kNone)];
  // Narrow rows that lie one after another are squared several at a time.
  const bool together = stride == columns && columns * 2 <= kTogether;
  const int64_t lines = together ? kTogether / columns : 1;
  parallelRanges(columns, together ? columns : std::min(columnsPerTask(rows, columns), kTogether),
                 [&](int64_t begin, int64_t end) {
                   double squares[kTogether], sums[kTogether] = {};
                   const int64_t width = end - begin;
                   for (int64_t r = 0; r < rows; r += lines) {
                     const int64_t count = std::min(lines, rows - r) * width;
                     const T* from = x + r * stride + begin;
                     if constexpr (std::is_same_v<T, double>) {
                       multiply(count, from, from, squares);
                     } else {
                       k.fromOther(count, from, squares);
                       multiply(count, squares, squares, squares);
                     }
                     add(count, sums, squares, sums);
                   }
                   for (int64_t j = 0; j < width; ++j) {
                     double sum = 0;
                     for (int64_t line = 0; line < lines; ++line) sum += sums[line * width + j];
                     Loop<1> column;
                     column.push(rows, {stride});
                     out[begin + j] = leavesRange<T>(sum) ? wide(finish, column, x + begin + j) : finish.of<T>(sum);
                   }
                 });
}

template <class T>
Status squares(const Finish& finish, const View& v, int kept, T* out) {
  const Loop<1> keptLoop = loopOver(v, 0, kept), reducedLoop = loopOver(v, kept, v.rank);
  if (reducedLoop.rank == 0 || (reducedLoop.rank == 1 && reducedLoop.rowStride(0) == 1)) {
    return squaresOfRows(finish, keptLoop, reducedLoop, v.as<T>(), out);
  }
  if (reducedLoop.rank == 1 && keptLoop.rank >= 1 && keptLoop.rowStride(0) == 1) {
    int64_t at = 0;
    keptLoop.forRows(0, keptLoop.size, [&](const int64_t (&o)[1], int64_t width) {
      squaresOfColumns(finish, reducedLoop.size, width, v.as<T>() + o[0], reducedLoop.rowStride(0), out + at);
      at += width;
    });
    return Status::kOk;
  }
  const Contiguous copy(v);
  if (copy.failed()) return Status::kOutOfMemory;
  View dense = v;
  dense.data = const_cast<char*>(copy.as<char>());
  dense.setContiguousStrides();
  return squares(finish, dense, kept, out);
}

// in: floats. ints: the axes as a bit set, whether the root is taken; reals: a divisor. out: Σx²/divisor, or its root.
Status runSquares(Call& call) {
  const View &in = call.in[0], &out = call.out;
  int kept = 0;
  const View v = permuteKeptFirst(in, call.ints[0], kept);
  const int64_t keptSize = loopOver(v, 0, kept).size;
  if (!isFloat(in.dtype) || out.dtype != in.dtype || out.size() != keptSize || !out.contiguous()) return LATENT_BROKEN;
  if (keptSize == 0) return Status::kOk;
  const Finish finish{call.reals[0], call.ints[1] != 0};
  if (in.size() == 0) {
    fillWith(out, finish.of<double>(0));
    return Status::kOk;
  }
  return withFloat(in.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    return squares(finish, v, kept, out.as<T>());
  });
}

const OpEntry kEntries[] = {
    {"squares", OpKind::kFill, 1, 1, runSquares},
};

}  // namespace

const OpList kSquaresOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
