// Batched, broadcasting matrix products, and the dense layer's product with its bias and activation.
#include "dispatch.h"
#include "../gemm/gemm.h"
#include "move.h"
#include "ops.h"
#include "strided.h"

namespace latent {
namespace {

// A matrix whose rows or columns overlap or run backwards is copied; any other stride is read in place.
bool readable(const View& v) { return v.stride[v.rank - 1] >= 0 && v.stride[v.rank - 2] >= 0; }

// A copy is nobody's storage, and nothing is kept for it.
void useCopy(View& v, const Contiguous& copy) {
  v.data = const_cast<char*>(copy.as<char>());
  v.storage = nullptr;
  v.setContiguousStrides();
}

template <class T>
Matrix<const T> matrixOf(const View& v) {
  return {v.as<T>(), v.stride[v.rank - 2], v.stride[v.rank - 1]};
}

int64_t byteOffset(const View& v) { return v.storage == nullptr ? 0 : v.data - v.storage->data(); }

// in: a[..., m, k], b[..., k, n] of one float type; out[..., m, n].
Status runMatmul(Call& call) {
  View a = call.in[0], b = call.in[1];
  const View& out = call.out;
  if (!isFloat(out.dtype) || a.dtype != out.dtype || b.dtype != out.dtype || !out.contiguous()) {
    return Status::kContract;
  }
  if (a.rank < 2 || b.rank < 2 || out.rank < 2) return Status::kContract;
  const int64_t m = a.shape[a.rank - 2], k = a.shape[a.rank - 1], n = b.shape[b.rank - 1];
  if (b.shape[b.rank - 2] != k || out.shape[out.rank - 2] != m || out.shape[out.rank - 1] != n) {
    return Status::kContract;
  }
  if (out.size() == 0) return Status::kOk;
  const Contiguous aCopy(readable(a) ? View{} : a), bCopy(readable(b) ? View{} : b);
  if (aCopy.failed() || bCopy.failed()) return Status::kOutOfMemory;
  if (!readable(a)) useCopy(a, aCopy);
  if (!readable(b)) useCopy(b, bCopy);
  View aBatch = a, bBatch = b, outBatch = out;
  aBatch.rank -= 2;
  bBatch.rank -= 2;
  outBatch.rank -= 2;
  Loop<3> loop;
  if (!makeLoop<3>(outBatch, {&aBatch, &bBatch}, loop)) return Status::kContract;
  Status status = Status::kOk;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    int64_t index = 0;
    loop.forRows(0, loop.size, [&](const int64_t(&o)[3], int64_t count) {
      for (int64_t i = 0; i < count && status == Status::kOk; ++i, ++index) {
        Matrix<const T> left = matrixOf<T>(a), right = matrixOf<T>(b);
        left.data += o[1] + i * loop.rowStride(1);
        right.data += o[2] + i * loop.rowStride(2);
        Storage* weight = loop.size == 1 ? b.storage : nullptr;
        status = gemm<T>(m, n, k, left, right, out.as<T>() + index * m * n, n, {}, weight, byteOffset(b));
      }
    });
  });
  return status;
}

// in: x[m, k], weight[n, k], and bias[n] when there are three; out[m, n] = f(x·weightᵀ + bias).
// ints: the function's number among the unary operations, or -1.
Status runDense(Call& call) {
  View x = call.in[0], weight = call.in[1];
  const View& out = call.out;
  if (!isFloat(out.dtype) || x.dtype != out.dtype || weight.dtype != out.dtype || !out.contiguous()) {
    return Status::kContract;
  }
  if (x.rank != 2 || weight.rank != 2 || out.rank != 2) return Status::kContract;
  const int64_t m = x.shape[0], k = x.shape[1], n = weight.shape[0];
  if (weight.shape[1] != k || out.shape[0] != m || out.shape[1] != n) return Status::kContract;
  const bool biased = call.inputs == 3;
  if (biased && (call.in[2].dtype != out.dtype || call.in[2].rank != 1 || call.in[2].shape[0] != n ||
                 !call.in[2].contiguous())) {
    return Status::kContract;
  }
  const int32_t function = call.ints[0];
  if (function < -1 || function >= static_cast<int32_t>(Unary::kCount)) return Status::kContract;
  const Contiguous xCopy(readable(x) ? View{} : x), weightCopy(readable(weight) ? View{} : weight);
  if (xCopy.failed() || weightCopy.failed()) return Status::kOutOfMemory;
  if (!readable(x)) useCopy(x, xCopy);
  if (!readable(weight)) useCopy(weight, weightCopy);
  Status status = Status::kOk;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    Epilogue<T> epilogue;
    epilogue.bias = biased ? call.in[2].as<T>() : nullptr;
    if (function >= 0) epilogue.function = static_cast<Unary>(function);
    status = gemm<T>(m, n, k, {x.as<T>(), x.stride[0], x.stride[1]}, {weight.as<T>(), weight.stride[1], weight.stride[0]},
                     out.as<T>(), n, epilogue, weight.storage, byteOffset(weight));
  });
  return status;
}

// in: g and y = f(x), both [...]; out[...] = g·f'(x). ints: the function's number among the unary operations.
Status runActivationGradient(Call& call) {
  const View &g = call.in[0], &y = call.in[1], &out = call.out;
  if (!isFloat(out.dtype) || g.dtype != out.dtype || y.dtype != out.dtype || !out.contiguous()) return Status::kContract;
  if (!g.sameShape(out) || !y.sameShape(out)) return Status::kContract;
  const Activation activation = activationOf(static_cast<Unary>(call.ints[0]));
  if (activation == Activation::kNone || activation > Activation::kSigmoid) return Status::kContract;
  const Contiguous gCopy(g), yCopy(y);
  if (gCopy.failed() || yCopy.failed()) return Status::kOutOfMemory;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    parallelRanges(out.size(), kElementGrain, [&](int64_t begin, int64_t end) {
      floatKernels<T>(kernels()).activationGradient(activation, end - begin, gCopy.as<T>() + begin, yCopy.as<T>() + begin,
                                                    out.as<T>() + begin);
    });
  });
  return Status::kOk;
}

const OpEntry kEntries[] = {
    {"matmul", OpKind::kFill, 2, 2, runMatmul},
    {"dense", OpKind::kFill, 2, 3, runDense},
    {"activationGradient", OpKind::kFill, 2, 2, runActivationGradient},
};

}  // namespace

const OpList kMatmulOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
