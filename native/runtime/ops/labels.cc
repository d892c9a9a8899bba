// Operations of losses that read labels, and refuse those that are none where they read them.
#include <atomic>
#include <type_traits>

#include "../../kernels/unary.h"
#include "../cpu.h"
#include "../tensor/dispatch.h"
#include "../tensor/move.h"
#include "../tensor/output.h"
#include "../tensor/strided.h"
#include "ops.h"

namespace latent {
namespace {

// Which numbers are labels: those from low to high, or low and high alone. NaN is let through, and seen in the result.
template <class T>
struct LabelRange {
  T low, high;
  bool endsOnly;

  // An integer as wide as T, so that the compiler makes vectors of the loops.
  using Flag = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;

  bool holds(int64_t n, const T* z) const {
    const T least = low, most = high;
    Flag outside = 0;
    if (endsOnly) {
      for (int64_t i = 0; i < n; ++i) outside |= Flag(z[i] != least) & Flag(z[i] != most) & Flag(z[i] == z[i]);
    } else {
      for (int64_t i = 0; i < n; ++i) outside |= Flag(z[i] < least) | Flag(z[i] > most);
    }
    return outside == 0;
  }
};

constexpr int64_t kBlock = 1024;

// Calls make(n, x, z, out) for blocks of the elements, once their labels were looked at; kDomain where one is none.
// reals: low, high. ints: whether they alone are labels.
template <class Make>
Status runLabelled(Call& call, Make&& make) {
  const View &x = call.in[0], &z = call.in[1], &out = call.out;
  if (!isFloat(out.dtype) || x.dtype != out.dtype || z.dtype != out.dtype || !x.sameShape(out) || !z.sameShape(out) ||
      !out.contiguous()) {
    return LATENT_BROKEN;
  }
  const Contiguous left(x), right(z);
  if (left.failed() || right.failed()) return Status::kOutOfMemory;
  std::atomic<bool> outside{false};
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const LabelRange<T> range{static_cast<T>(call.reals[0]), static_cast<T>(call.reals[1]), call.ints[0] != 0};
    const Output<T> output(out, {&x, &z});
    const T *p = left.as<T>(), *q = right.as<T>();
    parallelRanges(out.size(), kElementGrain, [&](int64_t begin, int64_t end) {
      output.write(begin, end - begin, [&](int64_t at, int64_t count, T* to) {
        for (int64_t i = 0; i < count; i += kBlock) {
          const int64_t n = count - i < kBlock ? count - i : kBlock;
          const T *xs = p + begin + at + i, *zs = q + begin + at + i;
          if (!range.holds(n, zs)) outside.store(true, std::memory_order_relaxed);
          make(n, xs, zs, to + i);
        }
      });
    });
  });
  return outside ? Status::kDomain : Status::kOk;
}

// in: x, z. out = x·z.
Status runLabelProduct(Call& call) {
  return runLabelled(call, [](int64_t n, const auto* x, const auto* z, auto* out) {
    using T = std::remove_pointer_t<decltype(out)>;
    floatKernels<T>(kernels()).binary[static_cast<int>(Binary::kMul)][static_cast<int>(Broadcast::kNone)](n, x, z, out);
  });
}

// in: x, z. out = max(x, 0) - x·z + ln(1 + e^-|x|), where labels of -1 and 1 (ints[1]) stand for 0 and 1.
Status runSigmoidCrossEntropy(Call& call) {
  const bool isSigned = call.ints[1] != 0;
  return runLabelled(call, [isSigned](int64_t n, const auto* x, const auto* z, auto* out) {
    using T = std::remove_pointer_t<decltype(out)>;
    const T scale = isSigned ? T(0.5) : T(1), shift = isSigned ? T(0.5) : T(0);
    T soft[kBlock];
    for (int64_t i = 0; i < n; ++i) soft[i] = x[i] < 0 ? x[i] : -x[i];
    floatKernels<T>(kernels()).unary[static_cast<int>(Unary::kSoftplus)](n, soft, soft);
    for (int64_t i = 0; i < n; ++i) out[i] = ((x[i] > 0 ? x[i] : T(0)) - x[i] * (z[i] * scale + shift)) + soft[i];
  });
}

const OpEntry kEntries[] = {
    {"labelProduct", OpKind::kMap, 2, 2, runLabelProduct},
    {"sigmoidCrossEntropy", OpKind::kMap, 2, 2, runSigmoidCrossEntropy},
};

}  // namespace

const OpList kLabelOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
