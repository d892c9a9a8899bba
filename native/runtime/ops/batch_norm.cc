// Normalization of channels over a batch.
#include <cstring>

#include "../tensor/dispatch.h"
#include "../tensor/output.h"
#include "../tensor/strided.h"
#include "columns.h"
#include "norm.h"
#include "ops.h"

namespace latent {
namespace {

// Rows whose sums are added in T before they go to double.
constexpr int64_t kRowBlock = 128;
// Columns whose sums lie on the stack.
constexpr int64_t kTogether = 256;
// Elements that lie in the first cache still when they are read a second time.
constexpr int64_t kReadTwice = 2048;

// Calls body(j0, width) for ranges of columns, of at most kTogether.
template <class F>
void forColumns(int64_t rows, int64_t columns, F&& body) {
  const int64_t share = columnsPerTask(rows, columns);
  parallelRanges(columns, share < kTogether ? share : kTogether, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; j += kTogether) body(j, end - j < kTogether ? end - j : kTogether);
  });
}

// Adds to totals[width] the sums over all rows of what add(row, sums) adds to sums[width], by blocks of rows.
template <class T, class Add>
void sumRows(int64_t rows, int64_t width, double* totals, Add&& add) {
  T block[kTogether];
  for (int64_t r0 = 0; r0 < rows; r0 += kRowBlock) {
    const int64_t r1 = rows - r0 < kRowBlock ? rows : r0 + kRowBlock;
    std::memset(block, 0, static_cast<size_t>(width) * sizeof(T));
    for (int64_t r = r0; r < r1; ++r) add(r, block);
    for (int64_t j = 0; j < width; ++j) totals[j] += static_cast<double>(block[j]);
  }
}

// Σ (x - center) and Σ (x - center)² over the rows of columns, `stride` apart, by blocks of rows.
template <class T>
void sumDeviations(int64_t rows, int64_t width, const T* x, int64_t stride, const T* center, double* sums,
                   double* squares) {
  const auto& k = floatKernels<T>(kernels());
  T plain[kTogether], squared[kTogether];
  for (int64_t j = 0; j < width; ++j) sums[j] = squares[j] = 0;
  for (int64_t r0 = 0; r0 < rows; r0 += kRowBlock) {
    const int64_t r1 = rows - r0 < kRowBlock ? rows : r0 + kRowBlock;
    for (int64_t j = 0; j < width; ++j) plain[j] = squared[j] = T(0);
    for (int64_t r = r0; r < r1; ++r) k.deviationsOfColumns(width, x + r * stride, center, plain, squared);
    for (int64_t j = 0; j < width; ++j) sums[j] += static_cast<double>(plain[j]);
    for (int64_t j = 0; j < width; ++j) squares[j] += static_cast<double>(squared[j]);
  }
}

// One column in double, where the sums of a block leave T's range.
template <class T>
void wideColumn(int64_t rows, const T* x, int64_t stride, T* mean, T* variance) {
  const double n = static_cast<double>(rows);
  double center = 0, squares = 0;
  for (int64_t r = 0; r < rows; ++r) center += static_cast<double>(x[r * stride]) / n;
  for (int64_t r = 0; r < rows; ++r) {
    const double d = static_cast<double>(x[r * stride]) - center;
    squares += d * d / n;
  }
  *mean = static_cast<T>(center);
  *variance = static_cast<T>(squares);
}

template <class T>
void columnMoments(int64_t rows, int64_t columns, const T* x, T* means, T* variances) {
  const auto& k = floatKernels<T>(kernels());
  const auto plus = k.binary[static_cast<int>(Binary::kAdd)][static_cast<int>(Broadcast::kNone)];
  const double n = static_cast<double>(rows);
  forColumns(rows, columns, [&](int64_t j0, int64_t width) {
    double sums[kTogether] = {}, squares[kTogether] = {};
    sumRows<T>(rows, width, sums, [&](int64_t r, T* block) { plus(width, block, x + r * columns + j0, block); });
    // About a number near the mean; what that is off by comes out of the same pass.
    for (int64_t j = 0; j < width; ++j) means[j0 + j] = static_cast<T>(sums[j] / n);
    sumDeviations(rows, width, x + j0, columns, means + j0, sums, squares);
    for (int64_t j = 0; j < width; ++j) {
      const double off = sums[j] / n, variance = squares[j] / n - off * off;
      means[j0 + j] = static_cast<T>(static_cast<double>(means[j0 + j]) + off);
      variances[j0 + j] = static_cast<T>(variance < 0 ? 0 : variance);
      if (!std::isfinite(variance)) wideColumn(rows, x + j0 + j, columns, means + j0 + j, variances + j0 + j);
    }
  });
}

template <class T>
void planeMoments(const Planes& p, const T* x, T* means, T* variances) {
  const auto& k = floatKernels<T>(kernels());
  const int64_t together = kReadTwice / p.inner + 1;
  parallelRanges(p.channels, kElementGrain / (p.batch * p.inner) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      // By parts, whose squares grow by what their means differ from the mean of all (Chan).
      double mean = 0, squares = 0, count = 0;
      for (int64_t i = 0; i < p.batch; i += together) {
        const int64_t pieces = p.batch - i < together ? p.batch - i : together;
        double one, around;
        k.moments(pieces, p.inner, p.channels * p.inner, x + (i * p.channels + c) * p.inner, &one, &around);
        const double step = one - mean, size = static_cast<double>(pieces * p.inner);
        count += size;
        mean += step * size / count;
        squares += around + step * (one - mean) * size;
      }
      means[c] = static_cast<T>(mean);
      variances[c] = static_cast<T>(squares / count);
    }
  });
}

// in: x[batch, channels, …]. out: [2, channels], each channel's mean and its variance by the number of elements.
Status runBatchMoments(Call& call) {
  const View &x = call.in[0], &out = call.out;
  Planes p;
  if (!isFloat(out.dtype) || x.dtype != out.dtype || !planesOf(x, p) || !out.contiguous()) return LATENT_BROKEN;
  if (out.rank != 2 || out.shape[0] != 2 || out.shape[1] != p.channels || x.size() == 0) return LATENT_BROKEN;
  const Contiguous source(x);
  if (source.failed()) return Status::kOutOfMemory;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    T *means = out.as<T>(), *variances = means + p.channels;
    if (p.inner == 1) columnMoments(p.batch, p.channels, source.as<T>(), means, variances);
    else planeMoments(p, source.as<T>(), means, variances);
  });
  return Status::kOk;
}

// The statistics and parameters of channels: n = (x - mean)·scale, and gamma·n + beta.
template <class T>
struct Channels {
  const T *mean, *variance, *gamma, *beta;
  double epsilon;

  double scaleOf(int64_t c) const { return 1 / std::sqrt(static_cast<double>(variance[c]) + epsilon); }
  double weightOf(int64_t c) const { return gamma == nullptr ? 1 : static_cast<double>(gamma[c]); }
  T shiftOf(int64_t c) const { return beta == nullptr ? T(0) : beta[c]; }
};

enum BatchFlag : int32_t { kIsBatch = 64 };

// in: x[batch, channels, …], mean, variance, then gamma and beta as flags say, one for each channel. ints: flags; reals: ε.
Status runBatchNorm(Call& call) {
  const View &x = call.in[0], &out = call.out;
  const int32_t flags = call.ints[0];
  Planes p;
  if (!isFloat(out.dtype) || x.dtype != out.dtype || !planesOf(x, p) || !x.sameShape(out) || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  Inputs inputs(call, 1);
  const View *mean = inputs.vector(true, out.dtype, p.channels), *variance = inputs.vector(true, out.dtype, p.channels);
  const View* gamma = inputs.vector(isSet(flags, kGamma), out.dtype, p.channels);
  const View* beta = inputs.vector(isSet(flags, kBeta), out.dtype, p.channels);
  if (!inputs.whole()) return LATENT_BROKEN;
  if (out.size() == 0) return Status::kOk;
  const Contiguous source(x);
  const Scratch room(static_cast<size_t>(2 * p.channels) * sizeOf(out.dtype));
  if (source.failed() || room.failed()) return Status::kOutOfMemory;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const auto& k = floatKernels<T>(kernels());
    const Channels<T> channels{dataOf<T>(mean), dataOf<T>(variance), dataOf<T>(gamma), dataOf<T>(beta), call.reals[0]};
    T *scales = room.as<T>(), *shifts = scales + p.channels;
    for (int64_t c = 0; c < p.channels; ++c) {
      scales[c] = static_cast<T>(channels.scaleOf(c) * channels.weightOf(c));
      shifts[c] = channels.shiftOf(c);
    }
    const int64_t length = p.inner == 1 ? p.channels : p.inner;
    const Output<T> output(out, {&x}, paceOfRows(length));
    parallelRanges(out.size() / length, kElementGrain / length + 1, [&](int64_t begin, int64_t end) {
      output.writeRows(
          begin, end, length, [](int64_t) {},
          [&](int64_t i, int64_t at, int64_t count, T* to) {
            const T* row = source.as<T>() + i * length + at;
            const int64_t c = i % p.channels;
            if (p.inner == 1) k.normalizeColumns(count, row, channels.mean + at, scales + at, shifts + at, to);
            else k.normalizeRow(count, row, channels.mean[c], scales[c], shifts[c], nullptr, nullptr, to);
          });
    });
  });
  return Status::kOk;
}

// Σ g and Σ g·n of each channel, into sums[2·c] and sums[2·c + 1].
template <class T>
void channelSums(const Planes& p, const T* g, const T* x, const Channels<T>& channels, const T* scales, double* sums) {
  const auto& k = floatKernels<T>(kernels());
  if (p.inner == 1) {
    forColumns(p.batch, p.channels, [&](int64_t j0, int64_t width) {
      double plain[kTogether] = {}, along[kTogether] = {};
      T alongBlock[kTogether];
      sumRows<T>(p.batch, width, plain, [&](int64_t r, T* block) {
        if (r % kRowBlock == 0) std::memset(alongBlock, 0, sizeof alongBlock);
        const int64_t at = r * p.channels + j0;
        k.normColumns(width, g + at, x + at, channels.mean + j0, scales + j0, block, alongBlock);
        if (r % kRowBlock != kRowBlock - 1 && r != p.batch - 1) return;
        for (int64_t j = 0; j < width; ++j) along[j] += static_cast<double>(alongBlock[j]);
      });
      for (int64_t j = 0; j < width; ++j) {
        sums[2 * (j0 + j)] = plain[j];
        sums[2 * (j0 + j) + 1] = along[j];
      }
    });
    return;
  }
  parallelRanges(p.channels, kElementGrain / (p.batch * p.inner) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const int64_t at = c * p.inner;
      k.channelSums(p.batch, p.inner, p.channels * p.inner, g + at, x + at, channels.mean[c], scales[c], sums + 2 * c,
                    sums + 2 * c + 1);
    }
  });
}

template <class T>
Status batchGradient(const Planes& p, const View& gradient, const View& source, const T* g, const T* x,
                     const Channels<T>& channels, bool isBatch, const View* dX, T* dGamma, T* dBeta) {
  const auto& k = floatKernels<T>(kernels());
  const size_t count = static_cast<size_t>(p.channels);
  const Scratch sumRoom(2 * count * sizeof(double)), room(4 * count * sizeof(T));
  if (sumRoom.failed() || room.failed()) return Status::kOutOfMemory;
  double* const sums = sumRoom.as<double>();
  T *scales = room.as<T>(), *plain = scales + p.channels, *along = plain + p.channels, *factors = along + p.channels;
  for (int64_t c = 0; c < p.channels; ++c) scales[c] = static_cast<T>(channels.scaleOf(c));
  channelSums(p, g, x, channels, scales, sums);
  const double elements = static_cast<double>(p.batch * p.inner);
  for (int64_t c = 0; c < p.channels; ++c) {
    plain[c] = isBatch ? static_cast<T>(sums[2 * c] / elements) : T(0);
    along[c] = isBatch ? static_cast<T>(sums[2 * c + 1] / elements) : T(0);
    factors[c] = static_cast<T>(channels.scaleOf(c) * channels.weightOf(c));
    if (dGamma != nullptr) dGamma[c] = static_cast<T>(sums[2 * c + 1]);
    if (dBeta != nullptr) dBeta[c] = static_cast<T>(sums[2 * c]);
  }
  if (dX == nullptr) return Status::kOk;
  const int64_t length = p.inner == 1 ? p.channels : p.inner;
  const Output<T> output(*dX, {&gradient, &source}, paceOfRows(length));
  parallelRanges(p.batch * p.channels * p.inner / length, kElementGrain / length + 1, [&](int64_t begin, int64_t end) {
    output.writeRows(
        begin, end, length, [](int64_t) {},
        [&](int64_t i, int64_t at, int64_t size, T* to) {
          const int64_t from = i * length + at, c = i % p.channels;
          if (p.inner == 1) {
            k.normSlopeColumns(size, g + from, x + from, channels.mean + at, scales + at, plain + at, along + at,
                               factors + at, to);
          } else {
            k.normSlope(size, g + from, T(1), nullptr, x + from, channels.mean[c], scales[c], plain[c], along[c],
                        factors[c], to);
          }
        });
  });
  return Status::kOk;
}

// in: g and x[batch, channels, …], mean, variance, then gamma where flags say so. ints: flags, kIsBatch where mean and
// variance are the batch's own; reals: ε. out: the wanted gradients of x, gamma, beta.
Status runBatchNormGradient(Call& call) {
  const View &g = call.in[0], &x = call.in[1];
  const DType dtype = call.out.dtype;
  const int32_t flags = call.ints[0];
  Planes p;
  if (!isFloat(dtype) || x.dtype != dtype || g.dtype != dtype || !planesOf(x, p) || !g.sameShape(x)) {
    return LATENT_BROKEN;
  }
  Inputs inputs(call, 2);
  const View *mean = inputs.vector(true, dtype, p.channels), *variance = inputs.vector(true, dtype, p.channels);
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
    const Channels<T> channels{dataOf<T>(mean), dataOf<T>(variance), dataOf<T>(gamma), nullptr, call.reals[0]};
    return batchGradient<T>(p, g, x, gradient.as<T>(), source.as<T>(), channels, isSet(flags, kIsBatch), dX,
                            roomOf<T>(dGamma), roomOf<T>(dBeta));
  });
}

const OpEntry kEntries[] = {
    {"batchMoments", OpKind::kFill, 1, 1, runBatchMoments},
    {"batchNorm", OpKind::kFill, 3, 5, runBatchNorm},
    {"batchNormGradient", OpKind::kFill, 4, 5, runBatchNormGradient, kMaxOutputs},
};

}  // namespace

const OpList kBatchNormOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
