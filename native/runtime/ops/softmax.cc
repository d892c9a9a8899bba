// Softmax, its logarithm and log-sum-exp along the last dimension.
#include "../cpu.h"
#include "../tensor/dispatch.h"
#include "../tensor/move.h"
#include "../tensor/strided.h"
#include "ops.h"

namespace latent {
namespace {

// Calls row(i, x, kernels) for each row of the input, in parallel.
template <class F>
Status forEachRow(Call& call, int64_t outRow, F&& row) {
  const View &x = call.in[0], &out = call.out;
  if (!isFloat(x.dtype) || out.dtype != x.dtype || x.rank < 1 || !out.contiguous()) return LATENT_BROKEN;
  const int64_t n = x.shape[x.rank - 1];
  const int64_t rows = n == 0 ? out.size() / (outRow == 0 ? 1 : outRow) : x.size() / n;
  if (out.size() != rows * outRow) return LATENT_BROKEN;
  const Contiguous source(x);
  if (source.failed()) return Status::kOutOfMemory;
  withFloat(x.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    parallelRanges(rows, kElementGrain / (8 * (n + 1)) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        row(n, source.as<T>() + i * n, out.as<T>() + i * outRow, floatKernels<T>(kernels()));
      }
    });
  });
  return Status::kOk;
}

int64_t lastOf(const View& v) { return v.rank == 0 ? 1 : v.shape[v.rank - 1]; }

Status runSoftmax(Call& call) {
  return forEachRow(call, lastOf(call.in[0]), [](int64_t n, auto x, auto out, const auto& k) { k.softmaxRow(n, x, out); });
}

Status runLogSoftmax(Call& call) {
  return forEachRow(call, lastOf(call.in[0]),
                    [](int64_t n, auto x, auto out, const auto& k) { k.logSoftmaxRow(n, x, out); });
}

// out has the input's shape without the last dimension.
Status runLogSumExp(Call& call) {
  return forEachRow(call, 1, [](int64_t n, auto x, auto out, const auto& k) { *out = k.logSumExpRow(n, x); });
}

// in: the gradient of the result and the result, of one shape; row(n, g, y, out, kernels) for each row, in parallel.
template <class F>
Status forEachGradientRow(Call& call, F&& row) {
  const View &g = call.in[0], &y = call.in[1], &out = call.out;
  if (!isFloat(g.dtype) || y.dtype != g.dtype || out.dtype != g.dtype || g.rank < 1 || !g.sameShape(y) ||
      !g.sameShape(out) || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  const int64_t n = g.shape[g.rank - 1];
  if (g.size() == 0) return Status::kOk;
  const Contiguous gradient(g), result(y);
  if (gradient.failed() || result.failed()) return Status::kOutOfMemory;
  withFloat(g.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    parallelRanges(g.size() / n, kElementGrain / (4 * n) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * n; i < end * n; i += n) {
        row(n, gradient.as<T>() + i, result.as<T>() + i, out.as<T>() + i, floatKernels<T>(kernels()));
      }
    });
  });
  return Status::kOk;
}

Status runSoftmaxGradient(Call& call) {
  return forEachGradientRow(call,
                            [](int64_t n, auto g, auto y, auto out, const auto& k) { k.softmaxGradientRow(n, g, y, out); });
}

Status runLogSoftmaxGradient(Call& call) {
  return forEachGradientRow(
      call, [](int64_t n, auto g, auto y, auto out, const auto& k) { k.logSoftmaxGradientRow(n, g, y, out); });
}

const OpEntry kEntries[] = {
    {"softmax", OpKind::kFill, 1, 1, runSoftmax},
    {"logSoftmax", OpKind::kFill, 1, 1, runLogSoftmax},
    {"logSumExp", OpKind::kFill, 1, 1, runLogSumExp},
    {"softmaxGradient", OpKind::kFill, 2, 2, runSoftmaxGradient},
    {"logSoftmaxGradient", OpKind::kFill, 2, 2, runLogSoftmaxGradient},
};

}  // namespace

const OpList kSoftmaxOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
