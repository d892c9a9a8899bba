// Convolution over the last two dimensions of [images, channels, height, width], and its two gradients, which have the same
// arguments: each is linear in both of its inputs, and the others are its gradients.
#include <initializer_list>

#include "../conv/conv.h"
#include "../conv/transposed.h"
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
    Storage* const kept = weights.contiguous() ? weights.storage : nullptr;
    const int64_t offset = kept == nullptr ? 0 : offsetOf(weights) / static_cast<int64_t>(sizeof(T));
    status = transposed<T>(g, pixels.as<T>(), filters.as<T>(), call.inputs == 3 ? sums.as<T>() : nullptr, out.as<T>(), kept,
                           offset);
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
