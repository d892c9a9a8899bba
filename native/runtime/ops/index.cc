// Picking elements by integer indices, and adding into them.
#include <algorithm>
#include <type_traits>

#include "../../kernels/kernels.h"
#include "../caches.h"
#include "../cpu.h"
#include "../marks.h"
#include "../tensor/dispatch.h"
#include "../tensor/move.h"
#include "../tensor/split.h"
#include "../tensor/strided.h"
#include "ops.h"
#include "window.h"

namespace latent {
namespace {

// Counts from the end when negative, as NumPy does.
bool resolve(int64_t index, int64_t extent, int64_t& at) {
  at = index < 0 ? index + extent : index;
  return at >= 0 && at < extent;
}

bool allInside(const int32_t* indices, int64_t n, int64_t extent, bool fromEnd = true) {
  int64_t at;
  for (int64_t i = 0; i < n; ++i) {
    if (!resolve(indices[i], extent, at) || (!fromEnd && indices[i] < 0)) return false;
  }
  return true;
}

// Slices that are asked for ahead of the one that is copied, their bytes, and the shortest that are written past the caches.
constexpr int64_t kAhead = 4;
constexpr size_t kFetched = 512, kStreamed = 1024;

inline void fetchSlice(const char* slice, size_t bytes) {
  for (size_t i = 0; i < bytes && i < kFetched; i += 64) __builtin_prefetch(slice + i);
}

// in: x, indices (int32); ints: axis, whether negative indices are refused. out = x.shape[:axis] + indices.shape +
// x.shape[axis+1:].
Status runTake(Call& call) {
  const View &x = call.in[0], &indices = call.in[1], &out = call.out;
  const int axis = call.ints[0];
  if (axis < 0 || axis >= x.rank || indices.dtype != DType::kInt32 || out.dtype != x.dtype || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  const Contiguous source(x), picks(indices);
  if (source.failed() || picks.failed()) return Status::kOutOfMemory;
  const Split s = splitAt(x, axis);
  const int64_t count = indices.size();
  if (out.size() != s.outer * count * s.inner) return LATENT_BROKEN;
  if (!allInside(picks.as<int32_t>(), count, s.extent, call.ints[1] == 0)) return Status::kIndex;
  if (out.size() == 0) return Status::kOk;
  const size_t bytes = static_cast<size_t>(s.inner) * sizeOf(x.dtype);
  // A result larger than half of the second cache is written past it, as results of elementwise operations are.
  const bool streams = x.dtype == DType::kFloat32 && bytes >= kStreamed &&
                       static_cast<size_t>(out.size()) * sizeOf(x.dtype) >= static_cast<size_t>(caches().l2) / 2;
  parallelRanges(s.outer * count, kElementGrain / (s.inner + 1) + 1, [&](int64_t begin, int64_t end) {
    const auto slice = [&](int64_t outer, int64_t i) {
      int64_t at = 0;
      resolve(picks.as<int32_t>()[i], s.extent, at);
      return source.as<char>() + static_cast<size_t>(outer * s.extent + at) * bytes;
    };
    int64_t outer = begin / count, i = begin % count;
    for (int64_t row = begin; row < end; ++row, ++i) {
      if (i == count) {
        i = 0;
        ++outer;
      }
      // Slices lie anywhere: one is asked for while others are copied.
      if (i + kAhead < count) fetchSlice(slice(outer, i + kAhead), bytes);
      char* const to = out.data + static_cast<size_t>(row) * bytes;
      if (bytes == sizeof(float)) {
        std::memcpy(to, slice(outer, i), sizeof(float));
        continue;
      }
      if (streams)
        kernels().f32.stream(s.inner, reinterpret_cast<const float*>(slice(outer, i)), reinterpret_cast<float*>(to));
      else std::memcpy(to, slice(outer, i), bytes);
    }
    if (streams) kernels().endStreams();
  });
  return Status::kOk;
}

// Adds elements [begin, end) of slices to those that the indices name, in the order of the indices. A slice that more than a
// chain of others is added to is summed in double first: a float's error grows with their number. Takes no memory: gradients
// are written by this, all or none.
template <class T>
class SliceSum {
 public:
  // Indices lie `stride` apart, and slices as far as the other two say.
  SliceSum(const int32_t* indices, int64_t stride, int64_t count, int64_t extent, int64_t fromStride, int64_t toStride)
      : indices_(indices), stride_(stride), count_(count), extent_(extent), fromStride_(fromStride), toStride_(toStride) {}

  void add(const T* from, int64_t begin, int64_t end, T* to) const {
    // Slices a multiple of kCounted apart count as one at first: mostly that tells that none is frequent.
    uint16_t counts[kCounted];
    if (count_ <= kChain || sizeof(T) == sizeof(double) || !count(counts, [](int64_t slice) { return slice % kCounted; })) {
      for (int64_t i = 0; i < count_; ++i) addTo(from + i * fromStride_, begin, end, to + at(i) * toStride_);
      return;
    }
    for (int64_t first = 0; first < extent_; first += kCounted) {
      if (extent_ > kCounted) count(counts, [first](int64_t slice) { return slice - first; });
      addCounted(counts, first, from, begin, end, to + first * toStride_);
    }
  }

 private:
  // Slices whose additions are counted together, and elements that are summed together.
  static constexpr int64_t kCounted = 16384, kSummed = 2048;
  // Counts end here; from here on they tell places among what is summed.
  static constexpr uint16_t kFrequent = kChain + 1;

  // Those that are counted at once; a stack of 128 KB, as some systems' threads have, holds them and the sums.
  int64_t places() const { return extent_ < kCounted ? extent_ : kCounted; }

  int64_t at(int64_t i) const {
    const int64_t index = indices_[i * stride_];
    return index < 0 ? index + extent_ : index;
  }

  template <class Sum>
  static void addTo(const T* from, int64_t begin, int64_t end, Sum* to) {
    for (int64_t j = begin; j < end; ++j) to[j] += static_cast<Sum>(from[j]);
  }

  // Counts slices at the places that are within [0, places()); whether any is frequent.
  template <class Place>
  bool count(uint16_t* counts, const Place& placeOf) const {
    std::fill_n(counts, places(), uint16_t(0));
    bool any = false;
    for (int64_t i = 0; i < count_; ++i) {
      const int64_t place = placeOf(at(i));
      if (place < 0 || place >= places() || counts[place] == kFrequent) continue;
      any = ++counts[place] == kFrequent || any;
    }
    return any;
  }

  // Calls each(slice, its elements) for those added to slices [first, first + places()), which count from 0.
  template <class Each>
  void forEach(int64_t first, const T* from, const Each& each) const {
    for (int64_t i = 0; i < count_; ++i) {
      const int64_t slice = at(i) - first;
      if (slice >= 0 && slice < places()) each(slice, from + i * fromStride_);
    }
  }

  // To slices from `first` on, the first of which is at `to`.
  void addCounted(uint16_t* counts, int64_t first, const T* from, int64_t begin, int64_t end, T* to) const {
    forEach(first, from, [&](int64_t slice, const T* own) {
      if (counts[slice] < kFrequent) addTo(own, begin, end, to + slice * toStride_);
    });
    for (int64_t j = begin; j < end; j += kSummed) {
      const int64_t width = end - j < kSummed ? end - j : kSummed;
      for (int64_t slice = 0; slice < places();) slice = addFrequent(counts, slice, width, first, from + j, to + j);
    }
  }

  // To the frequent ones from `begin` on, as many as there is room for, since all indices are looked through for them; answers
  // where the next begin.
  int64_t addFrequent(uint16_t* counts, int64_t begin, int64_t width, int64_t first, const T* from, T* to) const {
    double sums[kSummed];
    int64_t end = begin, slices = 0;
    for (; end < places() && (slices + 1) * width <= kSummed; ++end) {
      if (counts[end] == kFrequent) counts[end] = static_cast<uint16_t>(kFrequent + ++slices);
    }
    if (slices == 0) return end;
    std::fill_n(sums, slices * width, 0.0);
    const auto sumOf = [&](int64_t slice) { return sums + (counts[slice] - kFrequent - 1) * width; };
    forEach(first, from, [&](int64_t slice, const T* own) {
      if (counts[slice] > kFrequent) addTo(own, 0, width, sumOf(slice));
    });
    for (int64_t slice = begin; slice < end; ++slice) {
      if (counts[slice] <= kFrequent) continue;
      for (int64_t i = 0; i < width; ++i) to[slice * toStride_ + i] += static_cast<T>(sumOf(slice)[i]);
      counts[slice] = kFrequent;
    }
    return end;
  }

  const int32_t* const indices_;
  const int64_t stride_, count_, extent_, fromStride_, toStride_;
};

// in: gradient, indices; ints: axis. Adds the gradient's slices to those of the output that the indices name.
Status runAddSlices(Call& call) {
  const View &gradient = call.in[0], &indices = call.in[1], &out = call.out;
  const int axis = call.ints[0];
  if (axis < 0 || axis >= out.rank || indices.dtype != DType::kInt32 || !isFloat(out.dtype) ||
      gradient.dtype != out.dtype || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  const Contiguous source(gradient), picks(indices);
  if (source.failed() || picks.failed()) return Status::kOutOfMemory;
  const Split s = splitAt(out, axis);
  const int64_t count = indices.size();
  if (gradient.size() != s.outer * count * s.inner) return LATENT_BROKEN;
  if (!allInside(picks.as<int32_t>(), count, s.extent)) return Status::kIndex;
  if (gradient.size() == 0) return Status::kOk;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const SliceSum<T> sum(picks.as<int32_t>(), 1, count, s.extent, s.inner, s.inner);
    // Shared out by columns, which are independent of each other; few times, for each counts the indices anew.
    const int64_t share = (s.inner + threads::count() - 1) / threads::count(),
                  least = kElementGrain / (s.outer * count + 1) + 16;
    parallelRanges(s.inner, share < least ? least : share, [&](int64_t begin, int64_t end) {
      for (int64_t outer = 0; outer < s.outer; ++outer) {
        sum.add(source.as<T>() + outer * count * s.inner, begin, end, out.as<T>() + outer * s.extent * s.inner);
      }
    });
  });
  return Status::kOk;
}

// The addends of the elements: in[2] where there is one, else zeros.
bool begin(Call& call) {
  const View& out = call.out;
  if (!isFloat(out.dtype) || !out.contiguous()) return false;
  if (call.inputs < 3) {
    fillWith(out, 0);
    return true;
  }
  const View& before = call.in[2];
  if (!before.sameShape(out) || before.dtype != out.dtype) return false;
  return copyConvert(before, out);
}

// As runAddSlices, to zeros or to in[2].
Status runTakeGradient(Call& call) { return begin(call) ? runAddSlices(call) : LATENT_BROKEN; }

// in: indices. out: for each row of a table whether it is marked (uint8); marks those that the indices name.
Status runMarkRows(Call& call) {
  const View &indices = call.in[0], &marks = call.out;
  if (indices.dtype != DType::kInt32 || marks.dtype != DType::kUint8 || marks.rank != 1 || !marks.contiguous()) {
    return LATENT_BROKEN;
  }
  const Contiguous picks(indices);
  if (picks.failed()) return Status::kOutOfMemory;
  const int64_t count = indices.size(), rows = marks.shape[0];
  if (!allInside(picks.as<int32_t>(), count, rows)) return Status::kIndex;
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = 0;
    resolve(picks.as<int32_t>()[i], rows, at);
    marks.as<uint8_t>()[at] = 1;
  }
  return Status::kOk;
}

// in: marks as markRows makes them. Writes zeros to the rows of the output that are marked.
Status runClearRows(Call& call) {
  const View &marks = call.in[0], &out = call.out;
  if (marks.dtype != DType::kUint8 || marks.rank != 1 || !marks.contiguous() || out.rank < 1 ||
      out.shape[0] != marks.shape[0] || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  const int64_t rows = out.shape[0];
  if (out.size() == 0) return Status::kOk;
  const size_t bytes = static_cast<size_t>(out.size() / rows) * sizeOf(out.dtype);
  forMarked(marks.as<uint8_t>(), rows, [&](int64_t begin, int64_t end) {
    std::memset(out.data + static_cast<size_t>(begin) * bytes, 0, static_cast<size_t>(end - begin) * bytes);
  });
  return Status::kOk;
}

// The windows of gather: indices may be smaller than x off the axis.
bool gatherShapes(const View& x, const View& indices, int axis) {
  if (axis < 0 || axis >= x.rank || x.rank != indices.rank || indices.dtype != DType::kInt32) return false;
  for (int d = 0; d < x.rank; ++d) {
    if (d != axis && indices.shape[d] > x.shape[d]) return false;
  }
  return true;
}

// Calls each(i, offset) for the i-th index, with the offset in a contiguous x of the element that it names.
template <class F>
void forGathered(const View& x, const View& indices, const int32_t* picks, int axis, F&& each) {
  int64_t step[kMaxRank], index[kMaxRank] = {0};
  int64_t s = 1;
  for (int d = x.rank - 1; d >= 0; --d) {
    step[d] = s;
    s *= x.shape[d];
  }
  const int64_t count = indices.size();
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = 0, offset = 0;
    resolve(picks[i], x.shape[axis], at);
    for (int d = 0; d < x.rank; ++d) offset += (d == axis ? at : index[d]) * step[d];
    each(i, offset);
    for (int d = x.rank - 1; d >= 0 && ++index[d] == indices.shape[d]; --d) index[d] = 0;
  }
}

// Calls each(from, to) for each line of indices along the axis: where its first index lies, and the element of a contiguous x
// that index 0 names.
template <class F>
void forLines(const View& x, const View& indices, int axis, F&& each) {
  const Split own = splitAt(indices, axis);
  int64_t index[kMaxRank] = {0};
  for (int64_t line = 0; line < own.outer * own.inner; ++line) {
    int64_t to = 0;
    for (int d = 0; d < x.rank; ++d) to = to * x.shape[d] + index[d];
    each(line / own.inner * own.extent * own.inner + line % own.inner, to);
    for (int d = x.rank - 1; d >= 0; --d) {
      if (d == axis) continue;
      if (++index[d] < indices.shape[d]) break;
      index[d] = 0;
    }
  }
}

// in: x, indices (int32, x's rank); ints: axis. out[i][j].. = x[i][indices[i][j]].. along the axis.
Status runGather(Call& call) {
  const View &x = call.in[0], &indices = call.in[1], &out = call.out;
  const int axis = call.ints[0];
  if (!gatherShapes(x, indices, axis) || !out.sameShape(indices) || out.dtype != x.dtype || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  const Contiguous source(x), picks(indices);
  if (source.failed() || picks.failed()) return Status::kOutOfMemory;
  if (!allInside(picks.as<int32_t>(), indices.size(), x.shape[axis])) return Status::kIndex;
  const size_t size = sizeOf(x.dtype);
  forGathered(x, indices, picks.as<int32_t>(), axis, [&](int64_t i, int64_t offset) {
    std::memcpy(out.data + static_cast<size_t>(i) * size, source.as<char>() + static_cast<size_t>(offset) * size, size);
  });
  return Status::kOk;
}

// in: gradient, indices, perhaps what to add to; ints: axis. Adds each element into that, or into zeros.
Status runGatherGradient(Call& call) {
  const View &gradient = call.in[0], &indices = call.in[1], &out = call.out;
  const int axis = call.ints[0];
  if (!gatherShapes(out, indices, axis) || !gradient.sameShape(indices) || gradient.dtype != out.dtype ||
      !isFloat(out.dtype) || !out.contiguous()) {
    return LATENT_BROKEN;
  }
  const Contiguous source(gradient), picks(indices);
  if (source.failed() || picks.failed()) return Status::kOutOfMemory;
  if (!allInside(picks.as<int32_t>(), indices.size(), out.shape[axis])) return Status::kIndex;
  if (!begin(call)) return LATENT_BROKEN;
  withFloat(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    const Split lines = splitAt(indices, axis);
    if (lines.extent <= kChain) {
      forGathered(out, indices, picks.as<int32_t>(), axis,
                  [&](int64_t i, int64_t offset) { out.as<T>()[offset] += source.as<T>()[i]; });
      return;
    }
    const int64_t step = splitAt(out, axis).inner;
    forLines(out, indices, axis, [&](int64_t from, int64_t to) {
      const SliceSum<T> sum(picks.as<int32_t>() + from, lines.inner, lines.extent, out.shape[axis], lines.inner, step);
      sum.add(source.as<T>() + from, 0, 1, out.as<T>() + to);
    });
  });
  return Status::kOk;
}

// in: indices (int32). out = indices.shape + [depth], 1 at the index and 0 elsewhere; an index outside gives zeros.
Status runOneHot(Call& call) {
  const View &indices = call.in[0], &out = call.out;
  if (indices.dtype != DType::kInt32 || out.rank != indices.rank + 1 || !out.contiguous()) return LATENT_BROKEN;
  for (int d = 0; d < indices.rank; ++d) {
    if (out.shape[d] != indices.shape[d]) return LATENT_BROKEN;
  }
  const int64_t depth = out.shape[out.rank - 1], count = indices.size();
  const Contiguous picks(indices);
  if (picks.failed()) return Status::kOutOfMemory;
  fillWith(out, 0);
  withType(out.dtype, [&](auto type) {
    using T = typename decltype(type)::Of;
    for (int64_t i = 0; i < count; ++i) {
      const int32_t at = picks.as<int32_t>()[i];
      if (at < 0 || at >= depth) continue;
      if constexpr (std::is_same_v<T, Bool>) out.as<T>()[i * depth + at] = {1};
      else out.as<T>()[i * depth + at] = T(1);
    }
  });
  return Status::kOk;
}

// in: gradient; reals: start and step for each dimension, and after those of kMaxRank what is around it. out: that
// value, with the gradient in the slice.
Status runSliceGradient(Call& call) {
  const View &gradient = call.in[0], &out = call.out;
  if (gradient.rank != out.rank || gradient.dtype != out.dtype || !out.contiguous()) return LATENT_BROKEN;
  View window = out;
  if (!narrow(window, gradient.shape, call.reals)) return LATENT_BROKEN;
  fillWith(out, call.reals[2 * kMaxRank]);
  return copyConvert(gradient, window) ? Status::kOk : LATENT_BROKEN;
}

const OpEntry kEntries[] = {
    {"take", OpKind::kFill, 2, 2, runTake},
    {"takeGradient", OpKind::kFill, 2, 3, runTakeGradient},
    {"addSlices", OpKind::kPart, 2, 2, runAddSlices},
    {"markRows", OpKind::kPart, 1, 1, runMarkRows},
    {"clearRows", OpKind::kPart, 1, 1, runClearRows},
    {"gather", OpKind::kFill, 2, 2, runGather},
    {"gatherGradient", OpKind::kFill, 2, 3, runGatherGradient},
    {"oneHot", OpKind::kFill, 1, 1, runOneHot},
    {"sliceGradient", OpKind::kFill, 1, 1, runSliceGradient},
};

}  // namespace

const OpList kIndexOps{kEntries, sizeof kEntries / sizeof kEntries[0]};

}  // namespace latent
