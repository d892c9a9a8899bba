#include "columns.h"

#include "../cpu.h"
#include "../memory.h"
#include "../tensor/strided.h"
#include "../threads.h"

namespace latent {
namespace {

// Rows that are combined in one go come in multiples of this, the kernels' own block of rows.
constexpr int64_t kRowUnit = 128;
// Elements of a part of the rows: a matrix of more than two goes part by part.
constexpr int64_t kPart = int64_t(1) << 16;
// Columns per task, in whole cache lines.
constexpr int64_t kColumnUnit = 64;

template <class T>
void shareColumns(Reduce op, int64_t rows, int64_t columns, const T* x, int64_t stride, T* out) {
  const auto kernel = floatKernels<T>(kernels()).reduceColumns[static_cast<int>(op)];
  parallelRanges(columns, columnsPerTask(rows, columns),
                 [&](int64_t begin, int64_t end) { kernel(rows, end - begin, x + begin, stride, out + begin); });
}

}  // namespace

int64_t columnsPerTask(int64_t rows, int64_t columns) {
  const int64_t units = (columns + kColumnUnit - 1) / kColumnUnit;
  const int64_t threads = rows * columns < 2 * kElementGrain ? 1 : threads::count();
  return (units + threads - 1) / threads * kColumnUnit;
}

int64_t partRowsOf(int64_t columns) { return (kPart / columns + kRowUnit) / kRowUnit * kRowUnit; }

template <class T>
Status combineColumns(Reduce op, int64_t rows, int64_t columns, const T* x, int64_t stride, T* out) {
  if (columns == 0) return Status::kOk;
  const int64_t partRows = partRowsOf(columns);
  const int64_t parts = (rows + partRows - 1) / partRows;
  if (parts <= 2) {
    shareColumns(op, rows, columns, x, stride, out);
    return Status::kOk;
  }
  const Scratch results(static_cast<size_t>(parts * columns) * sizeof(T));
  if (results.failed()) return Status::kOutOfMemory;
  const auto kernel = floatKernels<T>(kernels()).reduceColumns[static_cast<int>(op)];
  parallelFor(parts, [&](int64_t i) {
    const int64_t first = i * partRows, count = rows - first < partRows ? rows - first : partRows;
    kernel(count, columns, x + first * stride, stride, results.as<T>() + i * columns);
  });
  shareColumns(op, parts, columns, results.as<const T>(), columns, out);
  return Status::kOk;
}

template Status combineColumns<float>(Reduce, int64_t, int64_t, const float*, int64_t, float*);
template Status combineColumns<double>(Reduce, int64_t, int64_t, const double*, int64_t, double*);

}  // namespace latent
