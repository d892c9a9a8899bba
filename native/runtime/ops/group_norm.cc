// Normalization of groups of channels: group and instance.
#include "../tensor/dispatch.h"
#include "../tensor/output.h"
#include "../tensor/strided.h"
#include "norm.h"
#include "ops.h"

namespace latent {
namespace {

// in: x[batch, channels, …], then gamma and beta, one for each channel, as flags say. ints: flags, groups; reals: ε. out as
// x; a second takes the moments.
Status runGroupNorm(Call& call) {
  const View &x = call.in[0], &out = call.out;
  const int32_t flags = call.ints[0];
  const int64_t groups = call.ints[1];
  Planes p;
  if (!isFloat(out.dtype) || x.dtype != out.dtype || !planesOf(x, p) || !x.sameShape(out) || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  if (groups < 1 || p.channels % groups != 0) return LATENT_BROKEN;
  Inputs inputs(call, 1);
  const View* gamma = inputs.vector(isSet(flags, kGamma), out.dtype, p.channels);
  const View* beta = inputs.vector(isSet(flags, kBeta), out.dtype, p.channels);
  const View* const moments = call.outputs == 2 ? &call.more[0] : nullptr;
  if (!inputs.whole() || (moments != nullptr && !areMoments(*moments, out.dtype, p.batch * groups))) return LATENT_BROKEN;
  if (out.size() == 0) return Status::kOk;
  const Contiguous source(x);
  if (source.failed()) return Status::kOutOfMemory;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto& k = floatKernels<T>(kernels());
    const int64_t each = p.channels / groups, length = each * p.inner;
    const Output<T> output(out, {&x}, paceOfRows(p.inner));
    parallelRanges(p.batch * groups, kElementGrain / length + 1, [&](int64_t begin, int64_t end) {
      Moments m;
      output.writeRows(
          begin, end, length,
          [&](int64_t i) {
            m = rowMoments(length, source.as<T>() + i * length, true, call.reals[0]);
            m.leave<T>(moments, i);
          },
          [&](int64_t i, int64_t from, int64_t total, T* to) {
            const T* row = source.as<T>() + i * length + from;
            forPieces(p.inner, from, total, [&](int64_t j, int64_t, int64_t count, int64_t done) {
              const int64_t c = i % groups * each + j;
              const double weight = gamma == nullptr ? 1 : static_cast<double>(gamma->as<T>()[c]);
              k.normalizeRow(count, row + done, static_cast<T>(m.mean), static_cast<T>(m.scale * weight),
                             beta == nullptr ? T(0) : beta->as<T>()[c], nullptr, nullptr, to + done);
            });
          });
    });
  });
  return Status::kOk;
}

// Sums over the batch of what each sample's channels gave.
template <class T>
void addUp(const Planes& p, const double* sums, int64_t step, T* out) {
  for (int64_t c = 0; out != nullptr && c < p.channels; ++c) {
    double total = 0;
    for (int64_t i = 0; i < p.batch; ++i) total += sums[(i * p.channels + c) * step];
    out[c] = static_cast<T>(total);
  }
}

template <class T>
Status groupGradient(const View& g, const View& x, const Planes& p, int64_t groups, const T* gRows, const T* xRows,
                     const T* moments, const T* gamma, const View* dX, T* dGamma, T* dBeta) {
  const auto& k = floatKernels<T>(kernels());
  const Scratch room(static_cast<size_t>(p.batch * p.channels * 2) * sizeof(double));
  if (room.failed()) return Status::kOutOfMemory;
  const int64_t each = p.channels / groups, length = each * p.inner;
  const auto weightOf = [&](int64_t i, int64_t j) { return gamma == nullptr ? T(1) : gamma[i % groups * each + j]; };
  parallelRanges(p.batch * groups, kElementGrain / length + 1, [&](int64_t begin, int64_t end) {
    double plain = 0, along = 0;
    const auto sum = [&](int64_t i) {
      double* const sums = room.as<double>() + i * each * 2;
      plain = along = 0;
      for (int64_t j = 0; j < each; ++j) {
        const int64_t at = i * length + j * p.inner;
        k.channelSums(1, p.inner, p.inner, gRows + at, xRows + at, moments[2 * i], moments[2 * i + 1], sums + 2 * j,
                      sums + 2 * j + 1);
        plain += static_cast<double>(weightOf(i, j)) * sums[2 * j];
        along += static_cast<double>(weightOf(i, j)) * sums[2 * j + 1];
      }
    };
    if (dX == nullptr) {
      for (int64_t i = begin; i < end; ++i) sum(i);
      return;
    }
    const double count = static_cast<double>(length);
    Output<T>(*dX, {&g, &x}, paceOfRows(p.inner))
        .writeRows(begin, end, length, sum, [&](int64_t i, int64_t from, int64_t total, T* slopes) {
          const int64_t first = i * length + from;
          const T mean = moments[2 * i], scale = moments[2 * i + 1];
          forPieces(p.inner, from, total, [&](int64_t j, int64_t, int64_t size, int64_t done) {
            k.normSlope(size, gRows + first + done, weightOf(i, j), nullptr, xRows + first + done, mean, scale,
                        static_cast<T>(plain / count), static_cast<T>(along / count), scale, slopes + done);
          });
        });
  });
  addUp(p, room.as<double>() + 1, 2, dGamma);
  addUp(p, room.as<double>(), 2, dBeta);
  return Status::kOk;
}

// in: g and x[batch, channels, …], the moments, then gamma where flags say so. ints: flags, groups. out: the wanted
// gradients of x, gamma, beta.
Status runGroupNormGradient(Call& call) {
  const View &g = call.in[0], &x = call.in[1];
  const DType dtype = call.out.dtype;
  const int32_t flags = call.ints[0];
  const int64_t groups = call.ints[1];
  Planes p;
  if (!isFloat(dtype) || x.dtype != dtype || g.dtype != dtype || !planesOf(x, p) || !g.sameShape(x)) {
    return LATENT_BROKEN;
  }
  if (groups < 1 || p.channels % groups != 0) return LATENT_BROKEN;
  if (call.inputs < 3 || !areMoments(call.in[2], dtype, p.batch * groups)) return LATENT_BROKEN;
  Inputs inputs(call, 3);
  const View* gamma = inputs.vector(isSet(flags, kGamma), dtype, p.channels);
  Outputs outputs(call);
  const View* dX = outputs.like(isSet(flags, kWantX), x);
  const View* dGamma = outputs.vector(isSet(flags, kWantGamma), p.channels);
  const View* dBeta = outputs.vector(isSet(flags, kWantBeta), p.channels);
  if (!inputs.whole() || !outputs.whole()) return LATENT_BROKEN;
  if (x.size() == 0) return ofNothing(dGamma, dBeta);
  const Contiguous gradient(g), source(x);
  if (gradient.failed() || source.failed()) return Status::kOutOfMemory;
  return withFloat(dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    return groupGradient<T>(g, x, p, groups, gradient.as<T>(), source.as<T>(), call.in[2].as<T>(), dataOf<T>(gamma), dX,
                            roomOf<T>(dGamma), roomOf<T>(dBeta));
  });
}

const OpEntry kEntries[] = {
    {"groupNorm", OpKind::kFill, 1, 3, runGroupNorm, 2},
    {"groupNormGradient", OpKind::kFill, 3, 4, runGroupNormGradient, kMaxOutputs},
};

}  // namespace

const OpList kGroupNormOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
