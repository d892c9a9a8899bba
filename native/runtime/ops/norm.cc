// Normalization: of rows (layer and RMS), of groups of channels (group and instance), of channels over a batch.
//
// Normalized values are n = (x - mean)/√(variance + ε); gradients take mean and variance as functions of x, but for those
// of a batch that are given as constants. Rows and groups leave mean and 1/√(variance + ε) of each for their gradients.
#include <cmath>
#include <cstring>

#include "../cpu.h"
#include "../tensor/dispatch.h"
#include "../tensor/move.h"
#include "../tensor/strided.h"
#include "columns.h"
#include "ops.h"

namespace latent {
namespace {

struct Moments {
  double mean, scale;

  template <class T>
  void leave(const View* moments, int64_t row) const {
    if (moments == nullptr) return;
    moments->as<T>()[2 * row] = static_cast<T>(mean);
    moments->as<T>()[2 * row + 1] = static_cast<T>(scale);
  }
};

// Two for each of so many rows.
bool areMoments(const View& v, DType dtype, int64_t rows) {
  return v.dtype == dtype && v.rank == 2 && v.shape[0] == rows && v.shape[1] == 2 && v.contiguous();
}

bool isVector(const View& v, DType dtype, int64_t size) {
  return v.dtype == dtype && v.rank == 1 && v.shape[0] == size && v.contiguous();
}

bool isSet(int32_t flags, int32_t flag) { return (flags & flag) != 0; }

// Takes inputs one after another where flags say that they are there, and counts how many must be.
class Inputs {
 public:
  Inputs(const Call& call, int first) : call_(call), next_(first) {}
  // Null without the flag; a vector that isn't one fails.
  const View* vector(bool there, DType dtype, int64_t size) {
    if (!there) return nullptr;
    if (next_ >= call_.inputs || !isVector(call_.in[next_], dtype, size)) {
      failed_ = true;
      return nullptr;
    }
    return &call_.in[next_++];
  }
  bool whole() const { return !failed_ && next_ == call_.inputs; }

 private:
  const Call& call_;
  int next_;
  bool failed_ = false;
};

// The outputs that flags ask for, in order, each of the shape that it must have.
class Outputs {
 public:
  explicit Outputs(Call& call) : call_(call) {}
  const View* like(bool wanted, const View& x) {
    const View* out = take(wanted);
    if (out != nullptr) failed_ = failed_ || !out->sameShape(x) || !out->contiguous();
    return out;
  }
  const View* vector(bool wanted, int64_t size) {
    const View* out = take(wanted);
    if (out != nullptr) failed_ = failed_ || !isVector(*out, call_.out.dtype, size);
    return out;
  }
  bool whole() const { return !failed_ && next_ == call_.outputs; }

 private:
  const View* take(bool wanted) {
    if (!wanted) return nullptr;
    if (next_ >= call_.outputs) {
      failed_ = true;
      return nullptr;
    }
    return &call_.output(next_++);
  }

  Call& call_;
  int next_ = 0;
  bool failed_ = false;
};

// The gradients of what scales and shifts no element.
Status ofNothing(const View* dGamma, const View* dBeta) {
  if (dGamma != nullptr) fillWith(*dGamma, 0);
  if (dBeta != nullptr) fillWith(*dBeta, 0);
  return Status::kOk;
}

template <class T>
const T* dataOf(const View* v) {
  return v == nullptr ? nullptr : v->as<const T>();
}
template <class T>
T* roomOf(const View* v) {
  return v == nullptr ? nullptr : v->as<T>();
}

// ---------- rows

enum RowFlag : int32_t { kGamma = 1, kBeta = 2, kCentered = 4, kWantX = 8, kWantGamma = 16, kWantBeta = 32 };

// For rows whose squares leave the range of a double: in units of the largest deviation.
template <class T>
Moments wideMoments(int64_t n, const T* x, double mean, double epsilon) {
  double unit = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) unit = std::fmax(unit, std::fabs(static_cast<double>(x[i]) - mean));
  for (int64_t i = 0; i < n; ++i) {
    const double d = (static_cast<double>(x[i]) - mean) / unit;
    squares += d * d;
  }
  return {mean, 1 / std::sqrt(squares / static_cast<double>(n) + epsilon / unit / unit) / unit};
}

template <class T>
Moments rowMoments(int64_t n, const T* x, bool centered, double epsilon) {
  const auto& k = floatKernels<T>(kernels());
  double mean = 0, squares = 0;
  if (centered) k.moments(n, x, &mean, &squares);
  else squares = k.sumOfSquares(n, x);
  if (!std::isfinite(squares)) return wideMoments(n, x, mean, epsilon);
  return {mean, 1 / std::sqrt(squares / static_cast<double>(n) + epsilon)};
}

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
    parallelRanges(out.size() / n, kElementGrain / n + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* row = source.as<T>() + i * n;
        const Moments m = rowMoments(n, row, isSet(flags, kCentered), call.reals[0]);
        m.leave<T>(moments, i);
        floatKernels<T>(kernels()).normalizeRow(n, row, static_cast<T>(m.mean), static_cast<T>(m.scale), T(0),
                                                dataOf<T>(gamma), dataOf<T>(beta), out.as<T>() + i * n);
      }
    });
  });
  return Status::kOk;
}

template <class T>
Status rowGradient(int64_t rows, int64_t n, const T* g, const T* x, const T* moments, const T* gamma, bool centered, T* dX,
                   T* dGamma, T* dBeta) {
  const auto& k = floatKernels<T>(kernels());
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
    for (int64_t i = from; i < to; ++i) {
      const T *gRow = g + i * n, *xRow = x + i * n;
      const T mean = moments[2 * i], scale = moments[2 * i + 1];
      double plain, along;
      k.normSums(n, gRow, gamma, xRow, mean, scale, gammas, sums ? gammas + n : nullptr, &plain, &along);
      if (dX != nullptr) {
        const double count = static_cast<double>(n);
        k.normSlope(n, gRow, T(1), gamma, xRow, mean, scale, centered ? static_cast<T>(plain / count) : T(0),
                    static_cast<T>(along / count), scale, dX + i * n);
      }
    }
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
    return rowGradient<T>(x.size() / n, n, gradient.as<T>(), source.as<T>(), call.in[2].as<T>(), dataOf<T>(gamma),
                          isSet(flags, kCentered), roomOf<T>(dX), roomOf<T>(dGamma), roomOf<T>(dBeta));
  });
}

// ---------- groups of channels

// x[batch, channels, …] with `inner` elements after the first two dimensions.
struct Planes {
  int64_t batch, channels, inner;
};

bool planesOf(const View& x, Planes& planes) {
  if (x.rank < 2) return false;
  planes = {x.shape[0], x.shape[1], 1};
  for (int d = 2; d < x.rank; ++d) planes.inner *= x.shape[d];
  return true;
}

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
    parallelRanges(p.batch * groups, kElementGrain / length + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* row = source.as<T>() + i * length;
        const Moments m = rowMoments(length, row, true, call.reals[0]);
        m.leave<T>(moments, i);
        for (int64_t j = 0; j < each; ++j) {
          const int64_t c = i % groups * each + j, at = j * p.inner;
          const T weight = gamma == nullptr ? T(1) : gamma->as<T>()[c], shift = beta == nullptr ? T(0) : beta->as<T>()[c];
          k.normalizeRow(p.inner, row + at, static_cast<T>(m.mean), static_cast<T>(m.scale * static_cast<double>(weight)),
                         shift, nullptr, nullptr, out.as<T>() + i * length + at);
        }
      }
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
Status groupGradient(const Planes& p, int64_t groups, const T* g, const T* x, const T* moments, const T* gamma, T* dX,
                     T* dGamma, T* dBeta) {
  const auto& k = floatKernels<T>(kernels());
  const Scratch room(static_cast<size_t>(p.batch * p.channels * 2) * sizeof(double));
  if (room.failed()) return Status::kOutOfMemory;
  const int64_t each = p.channels / groups, length = each * p.inner;
  parallelRanges(p.batch * groups, kElementGrain / length + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T *gRow = g + i * length, *xRow = x + i * length;
      const T mean = moments[2 * i], scale = moments[2 * i + 1];
      double* const sums = room.as<double>() + i * each * 2;
      const T* const weights = gamma == nullptr ? nullptr : gamma + i % groups * each;
      const auto weightOf = [weights](int64_t j) { return weights == nullptr ? T(1) : weights[j]; };
      double plain = 0, along = 0;
      for (int64_t j = 0; j < each; ++j) {
        k.normSums(p.inner, gRow + j * p.inner, nullptr, xRow + j * p.inner, mean, scale, nullptr, nullptr, sums + 2 * j,
                   sums + 2 * j + 1);
        plain += static_cast<double>(weightOf(j)) * sums[2 * j];
        along += static_cast<double>(weightOf(j)) * sums[2 * j + 1];
      }
      const double count = static_cast<double>(length);
      for (int64_t j = 0; dX != nullptr && j < each; ++j) {
        k.normSlope(p.inner, gRow + j * p.inner, weightOf(j), nullptr, xRow + j * p.inner, mean, scale,
                    static_cast<T>(plain / count), static_cast<T>(along / count), scale, dX + i * length + j * p.inner);
      }
    }
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
    return groupGradient<T>(p, groups, gradient.as<T>(), source.as<T>(), call.in[2].as<T>(), dataOf<T>(gamma),
                            roomOf<T>(dX), roomOf<T>(dGamma), roomOf<T>(dBeta));
  });
}

// ---------- channels over a batch

// Rows whose sums are added in T before they go to double.
constexpr int64_t kRowBlock = 128;
// Columns whose sums lie on the stack.
constexpr int64_t kTogether = 256;

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
  parallelRanges(p.channels, kElementGrain / (p.batch * p.inner) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      // Of equal parts the mean is the mean of means, and the squares grow by what each mean differs from it (Chan).
      double mean = 0, squares = 0, between = 0;
      for (int64_t i = 0; i < p.batch; ++i) {
        double one, around;
        k.moments(p.inner, x + (i * p.channels + c) * p.inner, &one, &around);
        const double step = one - mean, part = static_cast<double>(i + 1);
        mean += step / part;
        squares += around;
        between += step * (one - mean);
      }
      const double inner = static_cast<double>(p.inner), count = inner * static_cast<double>(p.batch);
      means[c] = static_cast<T>(mean);
      variances[c] = static_cast<T>((squares + between * inner) / count);
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
    parallelRanges(out.size() / length, kElementGrain / length + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* row = source.as<T>() + i * length;
        T* to = out.as<T>() + i * length;
        const int64_t c = i % p.channels;
        if (p.inner == 1) k.normalizeColumns(length, row, channels.mean, scales, shifts, to);
        else k.normalizeRow(length, row, channels.mean[c], scales[c], shifts[c], nullptr, nullptr, to);
      }
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
      double plain = 0, along = 0;
      for (int64_t i = 0; i < p.batch; ++i) {
        const int64_t at = (i * p.channels + c) * p.inner;
        double one, other;
        k.normSums(p.inner, g + at, nullptr, x + at, channels.mean[c], scales[c], nullptr, nullptr, &one, &other);
        plain += one;
        along += other;
      }
      sums[2 * c] = plain;
      sums[2 * c + 1] = along;
    }
  });
}

template <class T>
Status batchGradient(const Planes& p, const T* g, const T* x, const Channels<T>& channels, bool isBatch, T* dX, T* dGamma,
                     T* dBeta) {
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
  parallelRanges(p.batch * p.channels * p.inner / length, kElementGrain / length + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i * length, c = i % p.channels;
      if (p.inner == 1) {
        k.normSlopeColumns(length, g + at, x + at, channels.mean, scales, plain, along, factors, dX + at);
      } else {
        k.normSlope(length, g + at, T(1), nullptr, x + at, channels.mean[c], scales[c], plain[c], along[c], factors[c],
                    dX + at);
      }
    }
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
    return batchGradient<T>(p, gradient.as<T>(), source.as<T>(), channels, isSet(flags, kIsBatch), roomOf<T>(dX),
                            roomOf<T>(dGamma), roomOf<T>(dBeta));
  });
}

const OpEntry kEntries[] = {
    {"rowNorm", OpKind::kFill, 1, 3, runRowNorm, 2},
    {"rowNormGradient", OpKind::kFill, 3, 4, runRowNormGradient, kMaxOutputs},
    {"groupNorm", OpKind::kFill, 1, 3, runGroupNorm, 2},
    {"groupNormGradient", OpKind::kFill, 3, 4, runGroupNormGradient, kMaxOutputs},
    {"batchMoments", OpKind::kFill, 1, 1, runBatchMoments},
    {"batchNorm", OpKind::kFill, 3, 5, runBatchNorm},
    {"batchNormGradient", OpKind::kFill, 4, 5, runBatchNormGradient, kMaxOutputs},
};

}  // namespace

const OpList kNormOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
