// Normalization of rows: layer and RMS.
#include <cstring>

#include "../tensor/dispatch.h"
#include "../tensor/output.h"
#include "../tensor/strided.h"
#include "columns.h"
#include "norm.h"
#include "ops.h"

namespace latent {
namespace {

// in: x[…, n], then gamma[n] and beta[n] as flags say. ints: flags; reals: ε. out as x; a second takes the moments.
Status runRowNorm(Call& call) {
  const View &x = call.in[0], &out = call.out;
  const int32_t flags = call.ints[0];
  if (!isFloat(out.dtype) || x.dtype != out.dtype || x.rank < 1 || !x.sameShape(out) || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  const int64_t n = x.shape[x.rank - 1];
  Inputs inputs(call, 1);
  const View* gamma = inputs.vector(isSet(flags, kGamma), out.dtype, n);
  const View* beta = inputs.vector(isSet(flags, kBeta), out.dtype, n);
  const View* const moments = call.outputs == 2 ? &call.more[0] : nullptr;
  if (!inputs.whole() || (moments != nullptr && !areMoments(*moments, out.dtype, n == 0 ? 0 : out.size() / n))) {
    return LATENT_BROKEN;
  }
  if (out.size() == 0) return Status::kOk;
  const Contiguous source(x);
  if (source.failed()) return Status::kOutOfMemory;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto& k = floatKernels<T>(kernels());
    const T *const scales = dataOf<T>(gamma), *const shifts = dataOf<T>(beta);
    const Output<T> output(out, {&x}, paceOfRows(n));
    parallelRanges(out.size() / n, kElementGrain / n + 1, [&](int64_t begin, int64_t end) {
      Moments m;
      output.writeRows(
          begin, end, n,
          [&](int64_t i) {
            m = rowMoments(n, source.as<T>() + i * n, isSet(flags, kCentered), call.reals[0]);
            m.leave<T>(moments, i);
          },
          [&](int64_t i, int64_t at, int64_t count, T* to) {
            k.normalizeRow(count, source.as<T>() + i * n + at, static_cast<T>(m.mean), static_cast<T>(m.scale), T(0),
                           scales == nullptr ? nullptr : scales + at, shifts == nullptr ? nullptr : shifts + at, to);
          });
    });
  });
  return Status::kOk;
}

template <class T>
Status rowGradient(const View& g, const View& x, const T* gRows, const T* xRows, const T* moments, const T* gamma,
                   bool centered, const View* dX, T* dGamma, T* dBeta) {
  const auto& k = floatKernels<T>(kernels());
  const int64_t n = x.shape[x.rank - 1], rows = x.size() / n;
  const bool sums = dGamma != nullptr || dBeta != nullptr;
  // Parts by the shape alone, so that the sums know nothing of threads; of as many rows as a chain has terms at most.
  const int64_t fewest = partRowsOf(n) < kChain ? partRowsOf(n) : kChain, partRows = sums ? fewest : kElementGrain / n + 1;
  const int64_t parts = (rows + partRows - 1) / partRows;
  const Scratch partial(sums ? static_cast<size_t>(parts * 2 * n) * sizeof(T) : 1);
  if (partial.failed()) return Status::kOutOfMemory;
  parallelFor(parts, [&](int64_t part) {
    T* const gammas = sums ? partial.as<T>() + part * 2 * n : nullptr;
    if (sums) std::memset(gammas, 0, static_cast<size_t>(2 * n) * sizeof(T));
    const int64_t from = part * partRows, to = rows - from < partRows ? rows : from + partRows;
    double plain = 0, along = 0;
    const auto sum = [&](int64_t i) {
      k.normSums(n, gRows + i * n, gamma, xRows + i * n, moments[2 * i], moments[2 * i + 1], gammas,
                 sums ? gammas + n : nullptr, &plain, &along);
    };
    if (dX == nullptr) {
      for (int64_t i = from; i < to; ++i) sum(i);
      return;
    }
    const double count = static_cast<double>(n);
    Output<T>(*dX, {&g, &x}, paceOfRows(n))
        .writeRows(from, to, n, sum, [&](int64_t i, int64_t at, int64_t size, T* slopes) {
          const int64_t first = i * n + at;
          const T mean = moments[2 * i], scale = moments[2 * i + 1];
          k.normSlope(size, gRows + first, T(1), gamma == nullptr ? nullptr : gamma + at, xRows + first, mean, scale,
                      centered ? static_cast<T>(plain / count) : T(0), static_cast<T>(along / count), scale, slopes);
        });
  });
  if (!sums) return Status::kOk;
  Status status = Status::kOk;
  if (dGamma != nullptr) status = combineColumns<T>(Reduce::kSum, parts, n, partial.as<T>(), 2 * n, dGamma);
  if (status == Status::kOk && dBeta != nullptr) {
    status = combineColumns<T>(Reduce::kSum, parts, n, partial.as<T>() + n, 2 * n, dBeta);
  }
  return status;
}

// in: g and x[…, n], the moments, then gamma[n] where flags say so. ints: flags. out: the wanted gradients of x, gamma, beta.
Status runRowNormGradient(Call& call) {
  const View &g = call.in[0], &x = call.in[1];
  const DType dtype = call.out.dtype;
  const int32_t flags = call.ints[0];
  if (!isFloat(dtype) || x.rank < 1 || x.dtype != dtype || g.dtype != dtype || !g.sameShape(x)) return LATENT_BROKEN;
  const int64_t n = x.shape[x.rank - 1];
  if (call.inputs < 3 || !areMoments(call.in[2], dtype, n == 0 ? 0 : x.size() / n)) return LATENT_BROKEN;
  Inputs inputs(call, 3);
  const View* gamma = inputs.vector(isSet(flags, kGamma), dtype, n);
  Outputs outputs(call);
  const View* dX = outputs.like(isSet(flags, kWantX), x);
  const View *dGamma = outputs.vector(isSet(flags, kWantGamma), n), *dBeta = outputs.vector(isSet(flags, kWantBeta), n);
  if (!inputs.whole() || !outputs.whole()) return LATENT_BROKEN;
  if (x.size() == 0) return ofNothing(dGamma, dBeta);
  const Contiguous gradient(g), source(x);
  if (gradient.failed() || source.failed()) return Status::kOutOfMemory;
  return withFloat(dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    return rowGradient<T>(g, x, gradient.as<T>(), source.as<T>(), call.in[2].as<T>(), dataOf<T>(gamma),
                          isSet(flags, kCentered), dX, roomOf<T>(dGamma), roomOf<T>(dBeta));
  });
}

const OpEntry kEntries[] = {
    {"rowNorm", OpKind::kFill, 1, 3, runRowNorm, 2},
    {"rowNormGradient", OpKind::kFill, 3, 4, runRowNormGradient, kMaxOutputs},
};

}  // namespace

const OpList kRowNormOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
