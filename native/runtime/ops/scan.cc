// Running sums along an axis.
#include <atomic>
#include <limits>
#include <type_traits>

#include "../tensor/dispatch.h"
#include "../tensor/move.h"
#include "../tensor/split.h"
#include "../tensor/strided.h"
#include "ops.h"

namespace latent {
namespace {

// Places beside each other that are summed together.
constexpr int64_t kTogether = 256;

// Floats are summed in double, for the error of a running sum grows with its length; integers exactly.
template <class T>
using Sum = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;

template <class From, class To>
bool scan(const Split& s, bool backwards, const From* x, To* out, int64_t j0, int64_t width) {
  Sum<To> sums[kTogether] = {};
  bool fits = true;
  for (int64_t k = 0; k < s.extent; ++k) {
    const int64_t at = (backwards ? s.extent - 1 - k : k) * s.inner + j0;
    for (int64_t j = 0; j < width; ++j) {
      if constexpr (std::is_same_v<From, Bool>) sums[j] += x[at + j].v;
      else sums[j] += static_cast<Sum<To>>(x[at + j]);
      if constexpr (!std::is_floating_point_v<To>) {
        fits = fits && sums[j] >= std::numeric_limits<To>::min() && sums[j] <= std::numeric_limits<To>::max();
      }
      out[at + j] = static_cast<To>(sums[j]);
    }
  }
  return fits;
}

template <class From, class To>
Status scanAll(const Split& s, bool backwards, const From* x, To* out) {
  const int64_t groups = (s.inner + kTogether - 1) / kTogether;
  std::atomic<bool> fits{true};
  parallelRanges(s.outer * groups, kElementGrain / (s.extent * (s.inner < kTogether ? s.inner : kTogether) + 1) + 1,
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     const int64_t j0 = i % groups * kTogether, width = s.inner - j0 < kTogether ? s.inner - j0 : kTogether;
                     const int64_t base = i / groups * s.extent * s.inner;
                     if (!scan(s, backwards, x + base, out + base, j0, width)) fits = false;
                   }
                 });
  return fits ? Status::kOk : Status::kOverflow;
}

// in: x; ints: axis, whether from the end. out: floats of x's type; of integers and bool int32, or refused.
Status runCumsum(Call& call) {
  const View &x = call.in[0], &out = call.out;
  const int axis = call.ints[0];
  if (axis < 0 || axis >= x.rank || !x.sameShape(out) || !out.contiguous()) return LATENT_BROKEN;
  if (out.dtype != (isFloat(x.dtype) ? x.dtype : DType::kInt32)) return LATENT_BROKEN;
  if (x.size() == 0) return Status::kOk;
  const Contiguous source(x);
  if (source.failed()) return Status::kOutOfMemory;
  const Split s = splitAt(x, axis);
  Status status = Status::kOk;
  withType(x.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    using To = std::conditional_t<std::is_floating_point_v<T>, T, int32_t>;
    status = scanAll(s, call.ints[1] != 0, source.as<T>(), out.as<To>());
  });
  return status;
}

const OpEntry kEntries[] = {
    {"cumsum", OpKind::kFill, 1, 1, runCumsum},
};

}  // namespace

const OpList kScanOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
