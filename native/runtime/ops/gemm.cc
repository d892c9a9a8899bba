#include "gemm.h"

#include <atomic>
#include <cstdlib>

#include "../threads.h"

namespace latent {
namespace {

// Below this many multiply-adds a product stays on the caller.
constexpr int64_t kSerialWork = int64_t(1) << 17;
// Rows up to which B is read in place, a row of A at a time, where packing it would cost more than the product.
constexpr int64_t kDotRows = 3;

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// A buffer that each thread keeps for its block of A.
class ThreadBuffer {
 public:
  ~ThreadBuffer() { std::free(data_); }
  void* atLeast(size_t bytes) {
    if (bytes > bytes_) {
      std::free(data_);
      data_ = std::malloc(bytes);
      bytes_ = data_ == nullptr ? 0 : bytes;
    }
    return data_;
  }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

thread_local ThreadBuffer blockOfA;

template <class T>
void applyFunction(const FloatKernels<T>& kernel, Unary function, int64_t rows, int64_t columns, T* c, int64_t cRow) {
  for (int64_t i = 0; i < rows; ++i) {
    kernel.unary[static_cast<int>(function)](columns, c + i * cRow, c + i * cRow);
  }
}

// B as panels of nr columns for each block of kc of the depth; block p0 starts at p0·(n rounded up to nr).
template <class T>
void packWhole(const FloatKernels<T>& kernel, int64_t n, int64_t k, Matrix<const T> b, T* packed) {
  const int64_t nr = kernel.gemmShape.nr, kc = kernel.gemmShape.kc;
  const int64_t panels = ceilDiv(n, nr), blocks = ceilDiv(k, kc), width = panels * nr;
  auto packOne = [&](int64_t i) {
    const int64_t p0 = i / panels * kc, j0 = i % panels * nr, depth = smaller(kc, k - p0);
    kernel.packB(depth, smaller(nr, n - j0), b.data + p0 * b.row + j0 * b.column, b.row, b.column,
                 packed + p0 * width + j0 * depth);
  };
  if (n * k < kSerialWork) {
    for (int64_t i = 0; i < panels * blocks; ++i) packOne(i);
  } else {
    parallelFor(panels * blocks, packOne);
  }
}

// The whole product on B packed as by packWhole.
template <class T>
Status multiplyPacked(const FloatKernels<T>& kernel, int64_t m, int64_t n, int64_t k, Matrix<const T> a, const T* packed,
                      T* c, int64_t cRow, const Epilogue<T>& epilogue) {
  const GemmShape& shape = kernel.gemmShape;
  const int64_t nr = shape.nr, kc = shape.kc, mc = shape.mc;
  const int64_t panels = ceilDiv(n, nr), width = panels * nr, rowTasks = ceilDiv(m, mc);
  const bool serial = m * n * k < kSerialWork;
  // Columns are cut where the rows alone would not occupy the threads; a cut shows in no result.
  const int64_t wanted = serial ? 1 : int64_t(4) * threads::count();
  const int64_t columnTasks = smaller(panels, rowTasks >= wanted ? 1 : ceilDiv(wanted, rowTasks));
  const bool relu = epilogue.function == Unary::kRelu;
  std::atomic<bool> failed{false};
  auto task = [&](int64_t index) {
    const int64_t ri = index / columnTasks, ci = index % columnTasks;
    const int64_t i0 = m * ri / rowTasks, rows = m * (ri + 1) / rowTasks - i0;
    const int64_t j0 = panels * ci / columnTasks * nr;
    const int64_t columns = smaller(panels * (ci + 1) / columnTasks * nr, n) - j0;
    T* target = c + i0 * cRow + j0;
    for (int64_t p0 = 0; p0 < k; p0 += kc) {
      const int64_t depth = smaller(kc, k - p0);
      const bool last = p0 + depth == k;
      const T* block = a.data + i0 * a.row + p0 * a.column;
      int64_t blockRow = a.row;
      if (a.column != 1) {
        T* dense = static_cast<T*>(blockOfA.atLeast(static_cast<size_t>(rows * depth) * sizeof(T)));
        if (dense == nullptr) {
          failed.store(true, std::memory_order_relaxed);
          return;
        }
        kernel.packA(rows, depth, block, a.row, a.column, dense);
        block = dense;
        blockRow = depth;
      }
      kernel.gemmBlock(rows, columns, depth, block, blockRow, packed + p0 * width + j0 * depth, target, cRow, p0 > 0,
                       last && epilogue.bias != nullptr ? epilogue.bias + j0 : nullptr,
                       last && relu ? Activation::kRelu : Activation::kNone);
    }
    if (epilogue.function != Unary::kCount && !relu) {
      applyFunction(kernel, epilogue.function, rows, columns, target, cRow);
    }
  };
  if (serial) {
    for (int64_t i = 0; i < rowTasks * columnTasks; ++i) task(i);
  } else {
    parallelFor(rowTasks * columnTasks, task);
  }
  return failed.load() ? Status::kOutOfMemory : Status::kOk;
}

// Few rows against columns of B that are contiguous along the depth: dot products, nothing packed.
template <class T>
void multiplyDots(const FloatKernels<T>& kernel, int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b,
                  T* c, int64_t cRow, const Epilogue<T>& epilogue) {
  const int64_t grain = kSerialWork / (4 * (k + 1)) + 4;
  parallelRanges(n, grain, [&](int64_t j0, int64_t j1) {
    for (int64_t i = 0; i < m; ++i) {
      T* row = c + i * cRow + j0;
      kernel.dotRows(j1 - j0, k, a.data + i * a.row, b.data + j0 * b.column, b.column, row);
      if (epilogue.bias != nullptr) {
        kernel.binary[static_cast<int>(Binary::kAdd)][0](j1 - j0, row, epilogue.bias + j0, row);
      }
      if (epilogue.function != Unary::kCount) applyFunction(kernel, epilogue.function, 1, j1 - j0, row, cRow);
    }
  });
}

// No depth to sum over: zeros and the epilogue.
template <class T>
void multiplyNothing(const FloatKernels<T>& kernel, int64_t m, int64_t n, T* c, int64_t cRow,
                     const Epilogue<T>& epilogue) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) c[i * cRow + j] = epilogue.bias == nullptr ? T(0) : epilogue.bias[j];
  }
  if (epilogue.function != Unary::kCount) applyFunction(kernel, epilogue.function, m, n, c, cRow);
}

}  // namespace

template <class T>
Status gemm(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, T* c, int64_t cRow,
            const Epilogue<T>& epilogue, Storage* weight, int64_t offset) {
  const FloatKernels<T>& kernel = floatKernels<T>(kernels());
  if (m == 0 || n == 0) return Status::kOk;
  if (k == 0) {
    multiplyNothing(kernel, m, n, c, cRow, epilogue);
    return Status::kOk;
  }
  const bool kept = weight != nullptr && weight->keepsPacked();
  if (m <= kDotRows && a.column == 1 && b.row == 1 && !kept) {
    multiplyDots(kernel, m, n, k, a, b, c, cRow, epilogue);
    return Status::kOk;
  }
  const int64_t nr = kernel.gemmShape.nr;
  const size_t bytes = static_cast<size_t>(ceilDiv(n, nr) * nr * k) * sizeof(T);
  if (kept) {
    PackedWeight* packed = weight->packedFor(k, n, b.row, b.column, offset);
    const bool fresh = packed != nullptr && packed->data != nullptr && packed->version == weight->version() && packed->bytes == bytes;
    if (fresh || (packed != nullptr && weight->reservePacked(packed, bytes))) {
      if (!fresh) {
        packWhole(kernel, n, k, b, static_cast<T*>(packed->data));
        packed->version = weight->version();
      }
      return multiplyPacked(kernel, m, n, k, a, static_cast<const T*>(packed->data), c, cRow, epilogue);
    }
  }
  const Scratch scratch(bytes);
  if (scratch.failed()) return Status::kOutOfMemory;
  packWhole(kernel, n, k, b, scratch.as<T>());
  return multiplyPacked(kernel, m, n, k, a, scratch.as<T>(), c, cRow, epilogue);
}

template Status gemm<float>(int64_t, int64_t, int64_t, Matrix<const float>, Matrix<const float>, float*, int64_t,
                            const Epilogue<float>&, Storage*, int64_t);
template Status gemm<double>(int64_t, int64_t, int64_t, Matrix<const double>, Matrix<const double>, double*, int64_t,
                             const Epilogue<double>&, Storage*, int64_t);

}  // namespace latent
