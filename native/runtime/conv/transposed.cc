#include "transposed.h"

#include <algorithm>
#include <cstring>

#include "../memory.h"
#include "../threads.h"
#include "depthwise.h"

namespace latent {
namespace {

// Results that lie between each other in the output are computed in a room of this many elements, or of one image.
constexpr int64_t kTogether = int64_t(1) << 20;
// Elements that one thread puts in their places.
constexpr int64_t kPlaceGrain = 1 << 15;
// From so many phases on rows are put between each other in squares.
constexpr int64_t kLeastTurned = 4;

int64_t divisor(int64_t a, int64_t b) { return b == 0 ? a : divisor(b, a % b); }

// Inputs of a convolution's line that the same number of taps reach, from outputs that are the same for all `count` phases of
// them. Input n of phase i is number origin + i + n·stride, which may lie outside at the ends; it is reached by the taps
// tap + i, tap + i + every, … from the outputs that `line` tells.
struct Part {
  Line line;
  int64_t tap, every, count, origin, stride;
};

// `count` phases from `phase` on, for taps side by side: an input is o·step + first + t for the outputs o and taps t.
Part partOf(const Line& l, int64_t phase, int64_t count) {
  const int64_t begin = ceilDiv(-l.first - phase - count + 1, l.step), last = floorDiv(l.in - 1 - l.first - phase, l.step);
  const int64_t taps = phase < l.taps ? (l.taps - 1 - phase) / l.step + 1 : 0, out = last < begin ? 0 : last - begin + 1;
  return {{l.out, out, 1, taps, begin, -1}, phase, l.step, count, begin * l.step + phase + l.first, l.step};
}

// One phase, for taps that lie apart.
Part partApart(const Line& l, int64_t phase) {
  const int64_t common = divisor(l.step, l.gap), every = l.step / common;
  Part part{{l.out, phase < l.in ? ceilDiv(l.in - phase, l.step) : 0, 1, 0, 0, 0}, 0, every, 1, phase, l.step};
  while (part.tap < l.taps && part.tap < every && floorMod(phase - l.shift(part.tap), l.step) != 0) ++part.tap;
  if (part.tap >= l.taps || part.tap >= every) return part;
  part.line.taps = (l.taps - 1 - part.tap) / every + 1;
  part.line.first = floorDiv(phase - l.shift(part.tap), l.step);
  part.line.gap = -l.gap / common;
  return part;
}

int64_t partsOf(const Line& l) {
  if (l.gap != 1) return std::min(l.step, l.in);
  return l.taps % l.step == 0 ? 1 : 2;
}

Part partOf(const Line& l, int64_t i) {
  if (l.gap != 1) return partApart(l, i);
  const int64_t rest = l.taps % l.step;
  if (rest == 0) return partOf(l, 0, l.step);
  return i == 0 ? partOf(l, 0, rest) : partOf(l, rest, l.step - rest);
}

template <class T>
struct Transposed {
  const Geometry& g;
  T* out;

  // Puts a row of each of the phases of a part between each other; the rows of `from` are `apart` elements from one another.
  void placeRow(const Part& p, const T* from, int64_t apart, T* to) const {
    const int64_t columns = g.across.in, length = p.line.out;
    const auto held = [&](int64_t n) { return n < 0 ? 0 : std::min(n, length); };
    // Those that lie inside for all phases.
    const int64_t begin = held(ceilDiv(-p.origin, p.stride));
    const int64_t whole = held(floorDiv(columns - p.count - p.origin, p.stride) + 1), end = whole > begin ? whole : begin;
    if (p.count >= kLeastTurned) {
      floatKernels<T>(kernels()).turn(p.count, end - begin, from + begin, apart, to + p.origin + begin * p.stride,
                                      p.stride);
    } else {
      for (int64_t i = 0; i < p.count; ++i) {
        for (int64_t n = begin; n < end; ++n) to[p.origin + i + n * p.stride] = from[i * apart + n];
      }
    }
    for (int64_t i = 0; i < p.count; ++i) {
      const auto copy = [&](int64_t n, int64_t until) {
        for (; n < until; ++n) {
          const int64_t at = p.origin + i + n * p.stride;
          if (at >= 0 && at < columns) to[at] = from[i * apart + n];
        }
      };
      copy(0, begin);
      copy(end, length);
    }
  }

  // The results of some images, [images][channels][phases down][phases across][down.out][across.out].
  void place(const Part& down, const Part& across, int64_t first, int64_t images, const T* results) const {
    const int64_t all = g.groups * g.channels, block = down.line.out * across.line.out;
    const int64_t each = down.count * across.count * block;
    parallelRanges(images * all, kPlaceGrain / (each + 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        T* const plane = out + (first * all + c) * g.down.in * g.across.in;
        for (int64_t i = 0; i < down.count; ++i) {
          for (int64_t m = 0; m < down.line.out; ++m) {
            const int64_t row = down.origin + i + m * down.stride;
            if (row < 0 || row >= g.down.in) continue;
            const T* from = results + c * each + i * across.count * block + m * across.line.out;
            placeRow(across, from, block, plane + row * g.across.in);
          }
        }
      }
    });
  }

  Status between(const Part& down, const Part& across, Geometry back, const T* gradient, const Filters<T>& filters,
                 const T* bias) const {
    const int64_t phases = down.count * across.count, all = g.groups * g.channels;
    const int64_t each = all * phases * down.line.out * across.line.out;
    const int64_t together = each == 0 ? g.images : std::min(g.images, kTogether / each + 1);
    const Scratch results(static_cast<size_t>(together * each) * sizeof(T));
    const Scratch repeated(bias == nullptr ? 0 : static_cast<size_t>(all * phases) * sizeof(T));
    if (results.failed() || repeated.failed()) return Status::kOutOfMemory;
    for (int64_t k = 0; bias != nullptr && k < all * phases; ++k) repeated.as<T>()[k] = bias[k / phases];
    const int64_t plane = down.line.out * across.line.out;
    for (int64_t image = 0; image < g.images; image += together) {
      back.images = std::min(together, g.images - image);
      const T* from = gradient + image * g.groups * g.filters * g.down.out * g.across.out;
      const Status status = correlate<T>(back, from, filters, bias == nullptr ? nullptr : repeated.as<T>(),
                                         Activation::kNone, results.as<T>(), {each, plane, across.line.out, 1});
      if (status != Status::kOk) return status;
      place(down, across, image, back.images, results.as<T>());
    }
    return Status::kOk;
  }
};

}  // namespace

template <class T>
Status transposed(const Geometry& g, const T* gradient, const T* weights, const T* bias, T* out, Storage* kept,
                  int64_t offset) {
  if (g.down.step == 2 && isDepthwise<T>(g) && g.down.gap == 1 && g.across.gap == 1)
    return depthwiseData(g, gradient, weights, bias, out);
  const Transposed<T> all{g, out};
  const int64_t columns = g.across.in, plane = g.down.in * columns, row = g.across.taps;
  const int64_t parts = partsOf(g.down) * partsOf(g.across);
  // Of several parts none would be kept for long.
  const bool keeps = parts == 1 && g.down.gap == 1 && g.across.gap == 1;
  for (int64_t i = 0; i < parts; ++i) {
    const Part down = partOf(g.down, i / partsOf(g.across)), across = partOf(g.across, i % partsOf(g.across));
    const int64_t phases = down.count * across.count, first = down.tap * row + across.tap;
    const Geometry back{down.line, across.line, g.images, g.groups, g.filters, g.channels * phases};
    // With channels and filters in each other's places.
    const Filters<T> filters{weights + first,
                             g.filters * g.depth(),
                             g.taps(),
                             g.depth(),
                             down.every * row,
                             across.every,
                             keeps ? kept : nullptr,
                             offset,
                             {down.count, across.count},
                             {row, 1},
                             true};
    const Status status =
        phases == 1
            ? correlate<T>(back, gradient, filters, bias, Activation::kNone, out + down.origin * columns + across.origin,
                           {g.groups * g.channels * plane, plane, down.stride * columns, across.stride})
            : all.between(down, across, back, gradient, filters, bias);
    if (status != Status::kOk) return status;
  }
  return Status::kOk;
}

template Status transposed<float>(const Geometry&, const float*, const float*, const float*, float*, Storage*, int64_t);
template Status transposed<double>(const Geometry&, const double*, const double*, const double*, double*, Storage*,
                                   int64_t);

}  // namespace latent
