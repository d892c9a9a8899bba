// Convolution over the last two dimensions of [images, channels, height, width], and its two gradients, which have the same
// arguments: each is linear in both of its inputs, and the others are its gradients.
#include <initializer_list>

#include "../conv/conv.h"
#include "../conv/depthwise.h"
#include "../gemm/gemm.h"
#include "../tensor/dispatch.h"
#include "../tensor/move.h"
#include "ops.h"

namespace latent {
namespace {

// Ints: steps down and across, rows above and columns before the first element, the distances of taps down and across,
// groups.
struct Attributes {
  int64_t step[2], before[2], gap[2], groups;
  bool valid;

  explicit Attributes(const int32_t* p)
      : step{p[0], p[1]}, before{p[2], p[3]}, gap{p[4], p[5]}, groups(p[6]),
        valid(p[0] >= 1 && p[1] >= 1 && p[4] >= 1 && p[5] >= 1 && p[6] >= 1) {}
};

bool isFour(const View& v, DType dtype) { return v.dtype == dtype && v.rank == 4; }

// The steps over x that make y, weights[filters, channels of a group, height, width]; false where the sizes disagree.
bool geometryOf(const Attributes& a, const View& x, const View& weights, const View& y, Geometry& g) {
  if (!a.valid || x.shape[0] != y.shape[0] || x.shape[1] != a.groups * weights.shape[1] || y.shape[1] != weights.shape[0] ||
      weights.shape[0] % a.groups != 0) {
    return false;
  }
  const auto line = [&](int d) {
    return Line{x.shape[2 + d], y.shape[2 + d], a.step[d], weights.shape[2 + d], -a.before[d], a.gap[d]};
  };
  g = {line(0), line(1), x.shape[0], a.groups, weights.shape[1], weights.shape[0] / a.groups};
  // In double: places go up to sizes times steps.
  for (const Line& l : {g.down, g.across}) {
    const double reach = static_cast<double>(l.out) * static_cast<double>(l.step) +
                         static_cast<double>(l.taps) * static_cast<double>(l.gap) + static_cast<double>(l.in);
    if (reach > 1e15 || l.taps > INT32_MAX) return false;
  }
  return true;
}

// Elements in front of a tensor's in its storage.
int64_t offsetOf(const View& v) { return v.data - v.storage->data(); }

// in: x, weights and, if there are three, a bias for each filter. out: f(bias + weights ∗ x).
// ints: the attributes, then the function's number among the unary operations or -1.
Status runConv(Call& call) {
  const View &x = call.in[0], &weights = call.in[1], &out = call.out;
  const DType dtype = out.dtype;
  const int32_t function = call.ints[7];
  if (!isFloat(dtype) || !isFour(x, dtype) || !isFour(weights, dtype) || out.rank != 4 || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  Geometry g;
  if (!geometryOf(Attributes(call.ints), x, weights, out, g)) return LATENT_BROKEN;
  if (function < -1) return LATENT_BROKEN;
  const Activation activation = activationOf(static_cast<Unary>(function));
  if (function >= 0 && activation == Activation::kNone) return LATENT_BROKEN;
  const View bias = call.inputs == 3 ? call.in[2] : View{};
  if (call.inputs == 3 && (bias.dtype != dtype || bias.rank != 1 || bias.shape[0] != weights.shape[0])) {
    return LATENT_BROKEN;
  }
  const Contiguous pixels(x), filters(weights), sums(bias);
  if (pixels.failed() || filters.failed() || sums.failed()) return Status::kOutOfMemory;
  Status status = Status::kOk;
  withFloat(dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const int64_t plane = g.down.out * g.across.out, depth = g.depth();
    // A copy of filters that lie otherwise is gone with the call.
    Storage* const kept = weights.contiguous() ? weights.storage : nullptr;
    const int64_t offset = kept == nullptr ? 0 : offsetOf(weights);
    if (g.isProduct()) {
      Epilogue<T> epilogue;
      epilogue.bias = call.inputs == 3 ? sums.as<T>() : nullptr;
      if (function >= 0) epilogue.function = static_cast<Unary>(function);
      status = gemm<T>(g.images, g.filters, depth, {pixels.as<T>(), depth, 1}, {filters.as<T>(), 1, depth}, out.as<T>(),
                       g.filters, epilogue, kept, offset);
      return;
    }
    status = correlate<T>(
        g, pixels.as<T>(), Filters<T>::whole(g, filters.as<T>(), kept, offset / static_cast<int64_t>(sizeof(T))),
        call.inputs == 3 ? sums.as<T>() : nullptr, activation, out.as<T>(), {out.shape[1] * plane, plane, g.across.out, 1});
    if (status == Status::kOk && g.depth() == 0 && function >= 0) {
      floatKernels<T>(kernels()).unary[function](out.size(), out.as<T>(), out.as<T>());
    }
  });
  return status;
}

int64_t divisor(int64_t a, int64_t b) { return b == 0 ? a : divisor(b, a % b); }

// The contributions of the outputs to the inputs `phase`, `phase` + step, …: taps `tap`, `tap` + `every`, … of them, seen from there.
struct Phase {
  Line line;
  int64_t tap, every;

  Phase(const Line& forward, int64_t phase) : line{forward.out, 0, 1, 0, 0, 0}, tap(0), every(1) {
    const int64_t step = forward.step, common = divisor(step, forward.gap);
    line.out = phase < forward.in ? ceilDiv(forward.in - phase, step) : 0;
    every = step / common;
    while (tap < forward.taps && tap < every && floorMod(phase - forward.shift(tap), step) != 0) ++tap;
    if (tap >= forward.taps || tap >= every) return;
    line.taps = (forward.taps - 1 - tap) / every + 1;
    line.first = floorDiv(phase - forward.shift(tap), step);
    line.gap = -forward.gap / common;
  }
};

// A convolution's filters as its data's gradient reads them: the taps of the phases, with channels and filters in each other's
// places.
template <class T>
Filters<T> turned(const Geometry& g, const Phase& down, const Phase& across, const T* weights) {
  const int64_t taps = g.taps(), row = g.across.taps;
  return {weights + down.tap * row + across.tap,
          g.filters * g.depth(),
          taps,
          g.depth(),
          down.every * row,
          across.every,
          nullptr,
          0};
}

// in: the gradient of a convolution's result, its weights and, if there are three, a bias for each channel. out: the
// gradient of its data, with the bias added: the transposed convolution.
Status runConvData(Call& call) {
  const View &gradient = call.in[0], &weights = call.in[1], &out = call.out;
  const DType dtype = out.dtype;
  if (!isFloat(dtype) || !isFour(gradient, dtype) || !isFour(weights, dtype) || out.rank != 4 || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  Geometry g;
  if (!geometryOf(Attributes(call.ints), out, weights, gradient, g)) return LATENT_BROKEN;
  const View bias = call.inputs == 3 ? call.in[2] : View{};
  if (call.inputs == 3 && (bias.dtype != dtype || bias.rank != 1 || bias.shape[0] != out.shape[1])) {
    return LATENT_BROKEN;
  }
  const Contiguous pixels(gradient), filters(weights), sums(bias);
  if (pixels.failed() || filters.failed() || sums.failed()) return Status::kOutOfMemory;
  Status status = Status::kOk;
  withFloat(dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    if (g.isProduct() && (call.inputs == 2 || g.taps() == 1)) {
      Epilogue<T> epilogue;
      epilogue.bias = call.inputs == 3 ? sums.as<T>() : nullptr;
      status = gemm<T>(g.images, g.depth(), g.filters, {pixels.as<T>(), g.filters, 1}, {filters.as<T>(), g.depth(), 1},
                       out.as<T>(), g.depth(), epilogue, nullptr, 0);
      return;
    }
    if (g.down.step == 2 && isDepthwise(g) && g.down.gap == 1 && g.across.gap == 1) {
      status = depthwiseData<T>(g, pixels.as<T>(), filters.as<T>(), call.inputs == 3 ? sums.as<T>() : nullptr, out.as<T>());
      return;
    }
    const int64_t columns = g.across.in, plane = g.down.in * columns;
    for (int64_t i = 0; i < g.down.step && i < g.down.in; ++i) {
      const Phase down(g.down, i);
      for (int64_t j = 0; j < g.across.step && j < g.across.in && status == Status::kOk; ++j) {
        const Phase across(g.across, j);
        const Geometry back{down.line, across.line, g.images, g.groups, g.filters, g.channels};
        status = correlate<T>(back, pixels.as<T>(), turned(g, down, across, filters.as<T>()),
                              call.inputs == 3 ? sums.as<T>() : nullptr, Activation::kNone, out.as<T>() + i * columns + j,
                              {out.shape[1] * plane, plane, g.down.step * columns, g.across.step});
      }
    }
  });
  return status;
}

// in: the gradient of a convolution's result, its data and, if there are three, what its gradient is added to. out: the
// gradient of its weights.
Status runConvWeights(Call& call) {
  const View &gradient = call.in[0], &x = call.in[1], &out = call.out;
  const DType dtype = out.dtype;
  if (!isFloat(dtype) || !isFour(gradient, dtype) || !isFour(x, dtype) || out.rank != 4 || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  Geometry g;
  if (!geometryOf(Attributes(call.ints), x, out, gradient, g)) return LATENT_BROKEN;
  if (call.inputs == 3 && (call.in[2].dtype != dtype || !call.in[2].sameShape(out))) return LATENT_BROKEN;
  const Contiguous slopes(gradient), pixels(x), earlier(call.inputs == 3 ? call.in[2] : View{});
  if (slopes.failed() || pixels.failed() || earlier.failed()) return Status::kOutOfMemory;
  Status status = Status::kOk;
  withFloat(dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    if (g.isProduct()) {
      Epilogue<T> epilogue;
      epilogue.start = call.inputs == 3 ? earlier.as<T>() : nullptr;
      status = gemm<T>(g.filters, g.depth(), g.images, {slopes.as<T>(), 1, g.filters}, {pixels.as<T>(), g.depth(), 1},
                       out.as<T>(), g.depth(), epilogue, nullptr, 0);
      return;
    }
    status =
        correlateSlopes<T>(g, pixels.as<T>(), slopes.as<T>(), call.inputs == 3 ? earlier.as<T>() : nullptr, out.as<T>());
  });
  return status;
}

const OpEntry kEntries[] = {
    {"conv", OpKind::kFill, 2, 3, runConv},
    {"convData", OpKind::kFill, 2, 3, runConvData},
    {"convWeights", OpKind::kFill, 2, 3, runConvWeights},
};

}  // namespace

const OpList kConvOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
