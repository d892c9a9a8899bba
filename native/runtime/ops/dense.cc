// The dense layer: its product with bias and activation, and all its gradients in one call.
#include <initializer_list>

#include "../cpu.h"
#include "../tensor/dispatch.h"
#include "../tensor/operand.h"
#include "../threads.h"
#include "columns.h"
#include "ops.h"

namespace latent {
namespace {

constexpr int64_t kElementsTogether = int64_t(1) << 14;
constexpr int64_t kRowUnit = 128;
// The most columns that are summed on the stack.
constexpr int64_t kMaxColumns = 512;

// Whether a number among a call's integers names an activation among the unary operations, or none (-1).
bool namesFunction(int32_t function) {
  return function == -1 || activationOf(static_cast<Unary>(function)) != Activation::kNone;
}

// Functions whose slope follows from their value, so that y is all that their gradient needs.
bool slopesByValue(Unary f) {
  const Activation activation = activationOf(f);
  return activation == Activation::kRelu || activation == Activation::kTanh || activation == Activation::kSigmoid;
}

bool isMatrix(const View& v, DType dtype, int64_t rows, int64_t columns) {
  return v.dtype == dtype && v.rank == 2 && v.shape[0] == rows && v.shape[1] == columns;
}

bool isVector(const View& v, DType dtype, int64_t size) {
  return v.dtype == dtype && v.rank == 1 && v.shape[0] == size && v.contiguous();
}

// in: x[m, k], weight[n, k], and bias[n] when there are three; out[m, n] = f(x·weightᵀ + bias).
// ints: the function's number among the unary operations, or -1.
Status runDense(Call& call) {
  const View &x = call.in[0], &weight = call.in[1], &out = call.out;
  if (!isFloat(out.dtype) || out.rank != 2 || !out.contiguous() || x.rank != 2) return LATENT_BROKEN;
  const int64_t m = out.shape[0], n = out.shape[1], k = x.shape[1];
  if (!isMatrix(x, out.dtype, m, k) || !isMatrix(weight, out.dtype, n, k)) return LATENT_BROKEN;
  const bool biased = call.inputs == 3;
  if (biased && !isVector(call.in[2], out.dtype, n)) return LATENT_BROKEN;
  const int32_t function = call.ints[0];
  if (!namesFunction(function)) return LATENT_BROKEN;
  const Operand left(x), right(weight);
  if (left.failed() || right.failed()) return Status::kOutOfMemory;
  Status status = Status::kOk;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    Epilogue<T> epilogue;
    epilogue.bias = biased ? call.in[2].as<T>() : nullptr;
    if (function >= 0) epilogue.function = static_cast<Unary>(function);
    const Matrix<const T> w = right.matrix<T>();
    status = gemm<T>(m, n, k, left.matrix<T>(), {w.data, w.column, w.row}, out.as<T>(), n, epilogue, right.storage(),
                     right.byteOffset());
  });
  return status;
}

// The gradient before the activation, and the sums of its columns where they are wanted, for a range of the columns. Which
// one is summed with which others in a range shows in no sum.
template <class T>
struct Activated {
  Unary function;
  int64_t columns;
  const T *g, *y;
  T* inner;

  // Rows [from, to) of columns [begin, end), at most kMaxColumns; sums[0] is that of column `begin`.
  void run(int64_t from, int64_t to, int64_t begin, int64_t end, T* sums) const {
    const auto& k = floatKernels<T>(kernels());
    const int64_t width = end - begin, together = rowsTogether();
    T block[kMaxColumns];
    for (int64_t r = from; r < to; r += together) {
      const int64_t height = to - r < together ? to - r : together, at = r * columns + begin;
      if (width == columns) {
        k.activationGradient(function, height * columns, g + at, y + at, inner + at);
      } else {
        for (int64_t i = at; i < at + height * columns; i += columns) {
          k.activationGradient(function, width, g + i, y + i, inner + i);
        }
      }
      if (sums == nullptr) continue;
      k.reduceColumns[static_cast<int>(Reduce::kSum)](height, width, inner + at, columns, r == from ? sums : block);
      if (r == from) continue;
      k.binary[static_cast<int>(Binary::kAdd)][static_cast<int>(Broadcast::kNone)](width, sums, block, sums);
    }
  }

  // A part that stays in the first caches between the activation and the sum, and is long enough for the sum's own blocks. By the
  // matrix, not by the range: it decides in which order a column is summed.
  int64_t rowsTogether() const {
    const int64_t widest = columns < kMaxColumns ? columns : kMaxColumns,
                  rows = kElementsTogether / widest / kRowUnit * kRowUnit;
    return rows < kRowUnit ? kRowUnit / 4 : rows;
  }
};

// In one pass over the result's gradient: large matrices part by part, others by ranges of columns, which are independent of
// each other, so that how they are shared out shows in no result.
template <class T>
Status throughActivation(Unary function, int64_t rows, int64_t columns, const T* g, const T* y, T* inner, T* sums) {
  if (rows == 0 || columns == 0) {
    for (int64_t j = 0; sums != nullptr && j < columns; ++j) sums[j] = 0;
    return Status::kOk;
  }
  const Activated<T> activated{function, columns, g, y, inner};
  const int64_t partRows = partRowsOf(columns), parts = (rows + partRows - 1) / partRows;
  if (parts > 2) {
    const Scratch results(static_cast<size_t>(parts * columns) * sizeof(T));
    if (results.failed()) return Status::kOutOfMemory;
    parallelFor(parts, [&](int64_t i) {
      const int64_t from = i * partRows, to = rows - from < partRows ? rows : from + partRows;
      for (int64_t j = 0; j < columns; j += kMaxColumns) {
        const int64_t end = columns - j < kMaxColumns ? columns : j + kMaxColumns;
        activated.run(from, to, j, end, sums == nullptr ? nullptr : results.as<T>() + i * columns + j);
      }
    });
    if (sums == nullptr) return Status::kOk;
    return combineColumns(Reduce::kSum, parts, columns, results.as<const T>(), columns, sums);
  }
  const int64_t share = columnsPerTask(rows, columns);
  parallelRanges(columns, share < kMaxColumns ? share : kMaxColumns, [&](int64_t begin, int64_t end) {
    activated.run(0, rows, begin, end, sums == nullptr ? nullptr : sums + begin);
  });
  return Status::kOk;
}

// Flags of runDenseGradient, after the activation: which operands are given and which gradients are wanted.
enum Flag : int32_t {
  kWantX = 1,
  kWantWeight = 2,
  kWantBias = 4,
  kHasY = 8,
  kBeforeX = 16,
  kBeforeWeight = 32,
  kBeforeBias = 64
};

int count(int32_t flags, std::initializer_list<Flag> among) {
  int count = 0;
  for (const Flag flag : among) count += (flags & flag) != 0;
  return count;
}

// in: g[m, n], x[m, k], weight[n, k]; then where flags say so y[m, n], and what the gradients of x, weight and bias are
// added to, in the shapes of these. out: the wanted ones of these gradients, in this order.
// ints: the activation's number among the unary operations or -1, with y; flags.
Status runDenseGradient(Call& call) {
  const View &x = call.in[1], &weight = call.in[2];
  const DType dtype = call.out.dtype;
  if (!isFloat(dtype) || x.rank != 2 || weight.rank != 2) return LATENT_BROKEN;
  const int64_t m = x.shape[0], k = x.shape[1], n = weight.shape[0];
  if (!isMatrix(call.in[0], dtype, m, n) || !isMatrix(x, dtype, m, k) || !isMatrix(weight, dtype, n, k)) {
    return LATENT_BROKEN;
  }
  const int32_t function = call.ints[0], flags = call.ints[1];
  const auto has = [flags](Flag flag) { return (flags & flag) != 0; };
  const bool activated = function >= 0;
  if (activated && !slopesByValue(static_cast<Unary>(function))) return LATENT_BROKEN;
  if (activated != has(kHasY)) return LATENT_BROKEN;

  if (call.inputs != 3 + count(flags, {kHasY, kBeforeX, kBeforeWeight, kBeforeBias})) return LATENT_BROKEN;
  if (call.outputs != count(flags, {kWantX, kWantWeight, kWantBias})) return LATENT_BROKEN;
  int at = 3, wanted = 0;
  const auto take = [&](Flag flag) { return has(flag) ? &call.in[at++] : nullptr; };
  const auto want = [&](Flag flag) { return has(flag) ? &call.output(wanted++) : nullptr; };
  const View *y = take(kHasY), *beforeX = take(kBeforeX), *beforeWeight = take(kBeforeWeight);
  const View* beforeBias = take(kBeforeBias);
  const View *dX = want(kWantX), *dWeight = want(kWantWeight), *dBias = want(kWantBias);
  const auto fits = [&](const View* v, int64_t rows, int64_t columns) {
    return v == nullptr || (isMatrix(*v, dtype, rows, columns) && v->contiguous());
  };
  if (!fits(beforeX, m, k) || !fits(dX, m, k)) return LATENT_BROKEN;
  if (!fits(beforeWeight, n, k) || !fits(dWeight, n, k)) return LATENT_BROKEN;
  if ((beforeBias != nullptr && !isVector(*beforeBias, dtype, n)) || (dBias != nullptr && !isVector(*dBias, dtype, n))) {
    return LATENT_BROKEN;
  }
  if (y != nullptr && !isMatrix(*y, dtype, m, n)) return LATENT_BROKEN;

  const Contiguous gradient(call.in[0]), result(y == nullptr ? View{} : *y);
  const Operand left(x), right(weight);
  const Scratch innerRoom(activated ? static_cast<size_t>(m * n) * sizeOf(dtype) : 1);
  if (gradient.failed() || result.failed() || left.failed() || right.failed() || innerRoom.failed()) {
    return Status::kOutOfMemory;
  }
  Status status = Status::kOk;
  withFloat(dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const T* inner = gradient.as<T>();
    T* sums = dBias == nullptr ? nullptr : dBias->as<T>();
    if (activated) {
      status = throughActivation(static_cast<Unary>(function), m, n, inner, result.as<T>(), innerRoom.as<T>(), sums);
      inner = innerRoom.as<T>();
    } else if (sums != nullptr) {
      status = combineColumns<T>(Reduce::kSum, m, n, inner, n, sums);
    }
    if (status == Status::kOk && sums != nullptr && beforeBias != nullptr) {
      floatKernels<T>(kernels()).binary[static_cast<int>(Binary::kAdd)][static_cast<int>(Broadcast::kNone)](
          n, beforeBias->as<T>(), sums, sums);
    }
    const auto startAt = [](const View* before) { return before == nullptr ? nullptr : before->as<T>(); };
    if (status == Status::kOk && dX != nullptr) {
      Epilogue<T> epilogue;
      epilogue.start = startAt(beforeX);
      status =
          gemm<T>(m, k, n, {inner, n, 1}, right.matrix<T>(), dX->as<T>(), k, epilogue, right.storage(), right.byteOffset());
    }
    if (status == Status::kOk && dWeight != nullptr) {
      Epilogue<T> epilogue;
      epilogue.start = startAt(beforeWeight);
      status = gemm<T>(n, k, m, {inner, 1, n}, left.matrix<T>(), dWeight->as<T>(), k, epilogue, nullptr, 0);
    }
  });
  return status;
}

const OpEntry kEntries[] = {
    {"dense", OpKind::kFill, 2, 3, runDense},
    {"denseGradient", OpKind::kFill, 3, 7, runDenseGradient, kMaxOutputs},
};

}  // namespace

const OpList kDenseOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
