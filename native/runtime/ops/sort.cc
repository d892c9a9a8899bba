// The order of elements along an axis.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "../tensor/dispatch.h"
#include "../tensor/move.h"
#include "../tensor/split.h"
#include "../tensor/strided.h"
#include "ops.h"

namespace latent {
namespace {

template <class T>
bool less(T a, T b) {
  if constexpr (std::is_same_v<T, Bool>) return a.v < b.v;
  // NaN is the largest number.
  else if constexpr (std::is_floating_point_v<T>) return a == a && (b != b || a < b);
  else return a < b;
}

// The places of one line's elements in their order, equal ones in the order of their places; the first `wanted` of them.
template <class T>
void orderLine(const T* x, int64_t step, int64_t extent, bool descending, int64_t wanted, int32_t* places, int32_t* out) {
  for (int64_t i = 0; i < extent; ++i) places[i] = static_cast<int32_t>(i);
  const auto before = [&](int32_t i, int32_t j) {
    const T a = x[i * step], b = x[j * step];
    if (descending ? less(b, a) : less(a, b)) return true;
    if (descending ? less(a, b) : less(b, a)) return false;
    return i < j;
  };
  if (wanted < extent) std::partial_sort(places, places + wanted, places + extent, before);
  else std::sort(places, places + extent, before);
  for (int64_t i = 0; i < wanted; ++i) out[i * step] = places[i];
}

// in: x; ints: axis, whether from the largest down. out: int32, x's shape but for the axis, which may be shorter: the
// places of the first elements in that order.
Status runArgsort(Call& call) {
  const View &x = call.in[0], &out = call.out;
  const int axis = call.ints[0];
  if (axis < 0 || axis >= x.rank || out.rank != x.rank || out.dtype != DType::kInt32 || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  for (int d = 0; d < x.rank; ++d) {
    if (d == axis ? out.shape[d] > x.shape[d] : out.shape[d] != x.shape[d]) return LATENT_BROKEN;
  }
  const Split s = splitAt(x, axis);
  if (s.extent > std::numeric_limits<int32_t>::max()) return LATENT_BROKEN;
  if (out.size() == 0) return Status::kOk;
  const Contiguous source(x);
  if (source.failed()) return Status::kOutOfMemory;
  const int64_t wanted = out.shape[axis];
  const Scratch places(static_cast<size_t>(x.size()) * sizeof(int32_t));
  if (places.failed()) return Status::kOutOfMemory;
  withType(x.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    parallelRanges(s.outer * s.inner, kElementGrain / s.extent / 8 + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t o = i / s.inner, j = i % s.inner;
        orderLine(source.as<T>() + o * s.extent * s.inner + j, s.inner, s.extent, call.ints[1] != 0, wanted,
                  places.as<int32_t>() + i * s.extent, out.as<int32_t>() + o * wanted * s.inner + j);
      }
    });
  });
  return Status::kOk;
}

const OpEntry kEntries[] = {
    {"argsort", OpKind::kFill, 1, 1, runArgsort},
};

}  // namespace

const OpList kSortOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
