// The dense layer: its product with bias and activation, and all its gradients in one call.
#include "../cpu.h"
#include "columns.h"
#include "dispatch.h"
#include "operand.h"
#include "ops.h"
#include "strided.h"

namespace latent {
namespace {

// Rows whose gradients stay in the second cache between the activation and the sum over them.
constexpr int64_t kRowsTogether = 32;
// Columns per task, in whole cache lines, and the most that are summed on the stack.
constexpr int64_t kColumnUnit = 64;
constexpr int64_t kMaxColumns = 512;

// Whether a number among a call's integers names a unary operation, or none (-1).
bool namesFunction(int32_t function) { return function >= -1 && function < static_cast<int32_t>(Unary::kCount); }

// Functions whose slope follows from their value, so that y is all that their gradient needs.
bool slopesByValue(Unary f) { return f == Unary::kRelu || f == Unary::kTanh || f == Unary::kSigmoid; }

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
  if (!isFloat(out.dtype) || out.rank != 2 || !out.contiguous() || x.rank != 2) return Status::kContract;
  const int64_t m = out.shape[0], n = out.shape[1], k = x.shape[1];
  if (!isMatrix(x, out.dtype, m, k) || !isMatrix(weight, out.dtype, n, k)) return Status::kContract;
  const bool biased = call.inputs == 3;
  if (biased && !isVector(call.in[2], out.dtype, n)) return Status::kContract;
  const int32_t function = call.ints[0];
  if (!namesFunction(function)) return Status::kContract;
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

// The gradient before the activation, and the sum of its columns where it is wanted, in one pass over the result's.
template <class T>
void throughActivation(Unary function, int64_t rows, int64_t columns, const T* g, const T* y, T* inner, T* sums) {
  const auto& k = floatKernels<T>(kernels());
  const auto add = k.binary[static_cast<int>(Binary::kAdd)][static_cast<int>(Broadcast::kNone)];
  const int64_t threads = rows * columns < 2 * kElementGrain ? 1 : threads::count();
  const int64_t units = (columns + kColumnUnit - 1) / kColumnUnit, share = (units + threads - 1) / threads * kColumnUnit;
  // Columns are independent of each other: how they are shared out shows in no result.
  parallelRanges(columns, share < kMaxColumns ? share : kMaxColumns, [&](int64_t begin, int64_t end) {
    const int64_t width = end - begin;
    T block[kMaxColumns];
    for (int64_t r = 0; r < rows; r += kRowsTogether) {
      const int64_t height = rows - r < kRowsTogether ? rows - r : kRowsTogether, at = r * columns + begin;
      if (width == columns) {
        k.activationGradient(function, height * columns, g + at, y + at, inner + at);
      } else {
        for (int64_t i = at; i < at + height * columns; i += columns) {
          k.activationGradient(function, width, g + i, y + i, inner + i);
        }
      }
      if (sums == nullptr) continue;
      T* target = r == 0 ? sums + begin : block;
      k.reduceColumns[static_cast<int>(Reduce::kSum)](height, width, inner + at, columns, target);
      if (r > 0) add(width, sums + begin, block, sums + begin);
    }
  });
}

// What runDenseGradient's integers after the activation say is given and wanted.
enum Flag : int32_t {
  kWantX = 1,
  kWantWeight = 2,
  kWantBias = 4,
  kHasY = 8,
  kBeforeX = 16,
  kBeforeWeight = 32,
  kBeforeBias = 64
};

// in: g[m, n], x[m, k], weight[n, k]; then where flags say so y[m, n], and what the gradients of x, weight and bias are
// added to, in the shapes of these. out: the wanted ones of these gradients, in this order.
// ints: the activation's number among the unary operations or -1, with y; flags.
Status runDenseGradient(Call& call) {
  const View &x = call.in[1], &weight = call.in[2];
  const DType dtype = call.out.dtype;
  if (!isFloat(dtype) || x.rank != 2 || weight.rank != 2) return Status::kContract;
  const int64_t m = x.shape[0], k = x.shape[1], n = weight.shape[0];
  if (!isMatrix(call.in[0], dtype, m, n) || !isMatrix(x, dtype, m, k) || !isMatrix(weight, dtype, n, k)) {
    return Status::kContract;
  }
  const int32_t function = call.ints[0], flags = call.ints[1];
  const auto has = [flags](Flag flag) { return (flags & flag) != 0; };
  const bool activated = function >= 0;
  if (activated && !slopesByValue(static_cast<Unary>(function))) return Status::kContract;
  if (activated != has(kHasY)) return Status::kContract;

  int at = 3, wanted = 0;
  const auto take = [&](Flag flag) -> const View* { return has(flag) && at < call.inputs ? &call.in[at++] : nullptr; };
  const auto want = [&](Flag flag) -> const View* {
    return has(flag) && wanted < call.outputs ? &call.output(wanted++) : nullptr;
  };
  const View *y = take(kHasY), *beforeX = take(kBeforeX), *beforeWeight = take(kBeforeWeight);
  const View* beforeBias = take(kBeforeBias);
  const View *dX = want(kWantX), *dWeight = want(kWantWeight), *dBias = want(kWantBias);
  if (at != call.inputs || wanted != call.outputs) return Status::kContract;
  const auto fits = [&](const View* v, int64_t rows, int64_t columns) {
    return v == nullptr || (isMatrix(*v, dtype, rows, columns) && v->contiguous());
  };
  if (!fits(beforeX, m, k) || !fits(dX, m, k)) return Status::kContract;
  if (!fits(beforeWeight, n, k) || !fits(dWeight, n, k)) return Status::kContract;
  if ((beforeBias != nullptr && !isVector(*beforeBias, dtype, n)) || (dBias != nullptr && !isVector(*dBias, dtype, n))) {
    return Status::kContract;
  }
  if (y != nullptr && !isMatrix(*y, dtype, m, n)) return Status::kContract;

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
      throughActivation(static_cast<Unary>(function), m, n, inner, result.as<T>(), innerRoom.as<T>(), sums);
      inner = innerRoom.as<T>();
      if (m == 0 && sums != nullptr) fillWith(*dBias, 0);
    } else if (sums != nullptr) {
      status = combineColumns<T>(Reduce::kSum, m, n, inner, n, sums);
    }
    if (sums != nullptr && beforeBias != nullptr) {
      floatKernels<T>(kernels()).binary[static_cast<int>(Binary::kAdd)][static_cast<int>(Broadcast::kNone)](
          n, beforeBias->as<T>(), sums, sums);
    }
    const auto startAt = [](const View* before) { return before == nullptr ? nullptr : before->as<T>(); };
    if (status == Status::kOk && dX != nullptr) {
      Epilogue<T> epilogue;
      epilogue.start = startAt(beforeX);
      status = gemm<T>(m, k, n, {inner, n, 1}, right.matrix<T>(), dX->as<T>(), k, epilogue, right.storage(),
                       right.byteOffset());
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
