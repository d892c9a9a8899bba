// Batched, broadcasting matrix products.
#include <atomic>

#include "../tensor/dispatch.h"
#include "../tensor/operand.h"
#include "../tensor/strided.h"
#include "ops.h"

namespace latent {
namespace {

// Multiplications per task: smaller products of a batch go to a thread together, larger ones share the threads.
constexpr int64_t kProductGrain = int64_t(1) << 18;

// in: a[..., m, k], b[..., k, n] of one float type; out[..., m, n].
Status runMatmul(Call& call) {
  const View &a = call.in[0], &b = call.in[1], &out = call.out;
  if (!isFloat(out.dtype) || a.dtype != out.dtype || b.dtype != out.dtype || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  if (a.rank < 2 || b.rank < 2 || out.rank < 2) return LATENT_BROKEN;
  const int64_t m = a.shape[a.rank - 2], k = a.shape[a.rank - 1], n = b.shape[b.rank - 1];
  if (b.shape[b.rank - 2] != k || out.shape[out.rank - 2] != m || out.shape[out.rank - 1] != n) {
    return LATENT_BROKEN;
  }
  if (out.size() == 0) return Status::kOk;
  const Operand left(a), right(b);
  if (left.failed() || right.failed()) return Status::kOutOfMemory;
  View aBatch = left.view(), bBatch = right.view(), outBatch = out;
  aBatch.rank -= 2;
  bBatch.rank -= 2;
  outBatch.rank -= 2;
  Loop<3> loop;
  if (!makeLoop<3>(outBatch, {&aBatch, &bBatch}, loop)) return LATENT_BROKEN;
  Storage* weight = loop.size == 1 ? right.storage() : nullptr;
  std::atomic<Status> status{Status::kOk};
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto products = [&](int64_t begin, int64_t end) {
      int64_t index = begin;
      loop.forRows(begin, end, [&](const int64_t (&o)[3], int64_t count) {
        for (int64_t i = 0; i < count && status == Status::kOk; ++i, ++index) {
          Matrix<const T> x = left.matrix<T>(), y = right.matrix<T>();
          x.data += o[1] + i * loop.rowStride(1);
          y.data += o[2] + i * loop.rowStride(2);
          const Status one = gemm<T>(m, n, k, x, y, out.as<T>() + index * m * n, n, {}, weight, right.byteOffset());
          if (one != Status::kOk) status = one;
        }
      });
    };
    // In double: broadcast sizes may multiply past any integer.
    const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k + 1);
    const int64_t grain = static_cast<int64_t>(static_cast<double>(kProductGrain) / work);
    if (grain > 0) parallelRanges(loop.size, grain, products);
    else products(0, loop.size);
  });
  return status;
}

const OpEntry kEntries[] = {
    {"matmul", OpKind::kFill, 2, 2, runMatmul},
};

}  // namespace

const OpList kMatmulOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
