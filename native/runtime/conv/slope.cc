#include <algorithm>
#include <cstring>
#include <utility>

#include "../memory.h"
#include "../threads.h"
#include "chains.h"
#include "conv.h"
#include "depthwise.h"
#include "planes.h"

namespace latent {
namespace {

constexpr int64_t kTasksPerThread = 2;
// Images are shared out in so many parts at most, and no more than leave their sums this small together; the rest of the
// work by channels, each of which packs the gradient anew. That the number of parts depends on the sizes alone keeps the sums'
// bits.
constexpr int64_t kMostParts = 16;
constexpr double kMostSums = 1 << 20;
// Elements of the sums that one thread puts in order.
constexpr int64_t kTurnGrain = 1 << 15;

// Sums over pixels for a range of channels of one group and a part of the images: [channel, tap][filter].
template <class T>
class SlopeSums {
 public:
  // `swapped`: what are called channels and filters here are the convolution's filters and channels.
  SlopeSums(const Geometry& g, const T* x, const T* gradient, bool swapped)
      : g_(g), swapped_(swapped), x_(x), gradient_(gradient), kernel_(floatKernels<T>(kernels())),
        pixels_(g.down, g.across), lanes_(kernel_.gemmShape.lanes) {
    panels_ = ceilDiv(g.filters, lanes_);
    width_ = panels_ * lanes_;
    const double sums = static_cast<double>(g.groups * g.depth()) * static_cast<double>(width_);
    while (2 * parts_ <= std::min(g.images, kMostParts) && static_cast<double>(2 * parts_) * sums <= kMostSums) parts_ *= 2;
    threads_ = threads::forWork(g.work());
    const int64_t wanted = threads_ == 1 ? 1 : kTasksPerThread * threads_;
    channels_ = ceilDiv(g.channels, std::min(g.channels, std::max<int64_t>(1, ceilDiv(wanted, g.groups * parts_))));
    // As few channels together as a block needs to stay in the second cache.
    while (channels_ > 1 && !blocks().fit) channels_ = ceilDiv(channels_, 2);
    ranges_ = ceilDiv(g.channels, channels_);
  }

  Status run(const T* before, T* out) const {
    const Blocks cuts = blocks();
    const Planes planes(g_.down, g_.across, channels_, cuts.rows, cuts.columns);
    if (planes.failed()) return Status::kOutOfMemory;
    const int64_t sums = g_.depth() * width_, count = parts_ * g_.groups * ranges_;
    const int64_t tasks = threads_ == 1 ? 1 : std::min(count, kTasksPerThread * threads_);
    // Filters of one tap read their pixels where they are.
    const bool inPlace = g_.reachable();
    const int64_t copied = inPlace ? 0 : planes.elements() + kBeyond;
    const int64_t packed = cuts.rows * cuts.columns * width_, room = copied + packed;
    const Scratch places(static_cast<size_t>(inPlace ? channels_ : 0) * sizeof(int32_t));
    if (places.failed()) return Status::kOutOfMemory;
    for (int64_t c = 0; inPlace && c < channels_; ++c) places.as<int32_t>()[c] = static_cast<int32_t>(c * g_.across.in);
    const int32_t* offsets = inPlace ? places.as<int32_t>() : planes.offsets();
    const Scratch scratch(static_cast<size_t>(tasks * room) * sizeof(T));
    const int64_t all = parts_ * g_.groups * sums;
    const bool isLong = ceilDiv(g_.images, parts_) * strips() * pixels_.stripChains > PixelChains::kMost;
    const Scratch results(static_cast<size_t>(isLong ? 2 * all : all) * sizeof(T));
    if (scratch.failed() || results.failed()) return Status::kOutOfMemory;
    const auto one = [&](int64_t task) {
      T* pixels = scratch.as<T>() + task * room;
      for (int64_t i = count * task / tasks; i < count * (task + 1) / tasks; ++i) {
        const int64_t range = i % ranges_, group = i / ranges_ % g_.groups, part = i / ranges_ / g_.groups;
        const int64_t c0 = range * channels_, channels = std::min(channels_, g_.channels - c0);
        T* to = results.as<T>() + (part * g_.groups + group) * sums + c0 * g_.taps() * width_;
        sumUp(cuts, planes, offsets, part, group, c0, channels, pixels, pixels + copied, to, isLong ? to + all : nullptr);
      }
    };
    if (tasks == 1) one(0);
    else parallelFor(tasks, one);
    for (int64_t group = 0; group < g_.groups; ++group)
      turn(results.as<T>() + group * sums, g_.groups * sums, group, before, out);
    return Status::kOk;
  }

 private:
  bool isRow() const { return g_.down.out == 1; }
  int64_t strips() const { return ceilDiv(isRow() ? g_.across.out : g_.down.out, pixels_.strip); }
  // Of a strip.
  Blocks blocks() const {
    Line down = g_.down, across = g_.across;
    (isRow() ? across : down).out = pixels_.strip;
    return Blocks(down, across, Blocks::cutOf(g_.down), channels_, sizeof(T), pixels_.unit);
  }

  // `totals` has room for what is summed more than once, or is null where nothing is.
  void sumUp(const Blocks& cuts, const Planes& planes, const int32_t* offsets, int64_t part, int64_t group, int64_t c0,
             int64_t channels, T* copies, T* packed, T* to, T* totals) const {
    const int64_t size = g_.down.out * g_.across.out, rows = channels * g_.taps(), sums = rows * width_;
    const auto add = kernel_.binary[static_cast<int>(Binary::kAdd)][static_cast<int>(Broadcast::kNone)];
    int64_t chains = 0;
    bool accumulate = false, summed = false;
    const auto carry = [&](T* into) {
      if (summed) add(sums, totals, to, into);
      else std::memcpy(into, to, static_cast<size_t>(sums) * sizeof(T));
      summed = true;
    };
    for (int64_t image = g_.images * part / parts_; image < g_.images * (part + 1) / parts_; ++image) {
      const T* x = x_ + ((image * g_.groups + group) * g_.channels + c0) * g_.down.in * g_.across.in;
      const T* gradient = gradient_ + (image * g_.groups + group) * g_.filters * size;
      for (int64_t strip = 0; strip < strips(); ++strip) {
        if (chains > 0 && chains + pixels_.stripChains > PixelChains::kMost) {
          carry(totals);
          chains = 0;
          accumulate = false;
        }
        chains += pixels_.stripChains;
        const int64_t i1 = isRow() ? 1 : std::min(g_.down.out, (strip + 1) * pixels_.strip);
        const int64_t j1 = isRow() ? std::min(g_.across.out, (strip + 1) * pixels_.strip) : g_.across.out;
        for (int64_t i0 = isRow() ? 0 : strip * pixels_.strip; i0 < i1; i0 += cuts.rows) {
          for (int64_t j0 = isRow() ? strip * pixels_.strip : 0; j0 < j1; j0 += cuts.columns) {
            const int64_t height = std::min(cuts.rows, i1 - i0), across = std::min(cuts.columns, j1 - j0);
            const T* pixels = g_.reachable() ? x + j0 : copies;
            if (!g_.reachable()) planes.fill(x, channels, i0, height, j0, across, copies);
            kernel_.packB(height * across, g_.filters, gradient + i0 * g_.across.out + j0, 1, size, packed);
            kernel_.convSlopeBlock({rows, panels_, height * across, pixels_.chains.period, pixels_.chains.chain, pixels,
                                    offsets, packed, to, width_, accumulate});
            accumulate = true;
          }
        }
      }
    }
    if (summed) carry(to);
  }

  // From [channel, tap][filter], a part after the other, to [filter][channel, tap]; swapped they are in order.
  void turn(T* sums, int64_t partStep, int64_t group, const T* before, T* out) const {
    const int64_t depth = g_.depth(), at = group * g_.filters * depth;
    const auto add = kernel_.binary[static_cast<int>(Binary::kAdd)][static_cast<int>(Broadcast::kNone)];
    for (int64_t part = 1; part < parts_; ++part) add(depth * width_, sums, sums + part * partStep, sums);
    if (swapped_) {
      for (int64_t d = 0; d < depth; ++d) {
        std::memcpy(out + at + d * g_.filters, sums + d * width_, static_cast<size_t>(g_.filters) * sizeof(T));
      }
    } else {
      // In squares, so that lines are still there when their other elements are wanted.
      constexpr int64_t kSquare = 16;
      parallelRanges(g_.filters, ceilDiv(kTurnGrain, depth * kSquare) * kSquare, [&](int64_t begin, int64_t end) {
        for (int64_t k0 = begin; k0 < end; k0 += kSquare) {
          for (int64_t d0 = 0; d0 < depth; d0 += kSquare) {
            for (int64_t k = k0; k < std::min(k0 + kSquare, end); ++k) {
              for (int64_t d = d0; d < std::min(d0 + kSquare, depth); ++d) out[at + k * depth + d] = sums[d * width_ + k];
            }
          }
        }
      });
    }
    if (before != nullptr) add(g_.filters * depth, out + at, before + at, out + at);
  }

  const Geometry& g_;
  const bool swapped_;
  const T *x_, *gradient_;
  const FloatKernels<T>& kernel_;
  const PixelChains pixels_;
  int64_t lanes_, panels_, width_, parts_ = 1, channels_, ranges_;
  int threads_;
};

// Pixels of a channel that are copied in one go, and their copies for all taps across.
constexpr int64_t kSinglePixels = int64_t(1) << 13, kSingleCopies = int64_t(1) << 15;

// A filter for each channel: dot products for each tap, blocks of pixels that the sizes alone tell, and sums of them in double.
template <class T>
Status slopesOfSingles(const Geometry& g, const T* x, const T* gradient, const T* before, T* out) {
  const FloatKernels<T>& kernel = floatKernels<T>(kernels());
  const int64_t most = std::max(std::min(kSinglePixels, kSingleCopies / g.across.taps), kChain);
  // Whole rows, or parts of one.
  const int64_t columns = std::min(g.across.out, most), rows = std::min(g.down.out, std::max<int64_t>(1, most / columns));
  const Planes planes(g.down, g.across, 1, rows, columns);
  if (planes.failed()) return Status::kOutOfMemory;
  const int threads = threads::forWork(g.work());
  const int64_t tasks = threads == 1 ? 1 : std::min(g.groups, kTasksPerThread * threads),
                room = planes.elements() + kBeyond;
  const Scratch scratch(static_cast<size_t>(tasks * (room + g.across.taps)) * sizeof(T));
  const Scratch sumRoom(static_cast<size_t>(tasks * g.taps()) * sizeof(double));
  if (scratch.failed() || sumRoom.failed()) return Status::kOutOfMemory;
  const int64_t size = g.down.out * g.across.out, across = g.across.taps;
  const auto one = [&](int64_t task) {
    T *pixels = scratch.as<T>() + task * (room + across), *part = pixels + room;
    double* sums = sumRoom.as<double>() + task * g.taps();
    for (int64_t c = g.groups * task / tasks; c < g.groups * (task + 1) / tasks; ++c) {
      for (int64_t t = 0; t < g.taps(); ++t)
        sums[t] = before == nullptr ? 0 : static_cast<double>(before[c * g.taps() + t]);
      for (int64_t image = 0; image < g.images; ++image) {
        const int64_t plane = image * g.groups + c;
        for (int64_t i0 = 0; i0 < g.down.out; i0 += rows) {
          for (int64_t j0 = 0; j0 < g.across.out; j0 += columns) {
            const int64_t height = std::min(rows, g.down.out - i0), width = std::min(columns, g.across.out - j0);
            planes.fill(x + plane * g.down.in * g.across.in, 1, i0, height, j0, width, pixels);
            const int64_t length = height * width;
            const T* from = gradient + plane * size + i0 * g.across.out + j0;
            // The taps of a row read planes that lie equally far apart.
            for (int64_t t = 0; t < g.taps(); t += across) {
              const int32_t* offsets = planes.offsets() + t;
              const int64_t apart = across > 1 ? offsets[1] - offsets[0] : length;
              kernel.dotBlock({1, across, length, from, length, pixels + offsets[0], apart, part, across, nullptr, 0,
                               nullptr, Activation::kNone});
              for (int64_t s = 0; s < across; ++s) sums[t + s] += static_cast<double>(part[s]);
            }
          }
        }
      }
      for (int64_t t = 0; t < g.taps(); ++t) out[c * g.taps() + t] = static_cast<T>(sums[t]);
    }
  };
  if (tasks == 1) one(0);
  else parallelFor(tasks, one);
  return Status::kOk;
}

}  // namespace

template <class T>
Status correlateSlopes(const Geometry& given, const T* x, const T* gradient, const T* before, T* out) {
  Geometry g = given;
  const int64_t weights = g.groups * g.filters * g.depth();
  if (weights == 0) return Status::kOk;
  if (g.images * g.down.out * g.across.out == 0) {
    if (before == nullptr) std::memset(out, 0, static_cast<size_t>(weights) * sizeof(T));
    else std::memcpy(out, before, static_cast<size_t>(weights) * sizeof(T));
    return Status::kOk;
  }
  if (g.down.plain() && g.across.plain()) {
    g.across.in = g.across.out = g.down.out * g.across.out;
    g.down.in = g.down.out = 1;
  }
  if (hasDepthwiseSlopes<T>(g)) return depthwiseSlopes(g, x, gradient, before, out);
  if (g.single()) return slopesOfSingles(g, x, gradient, before, out);
  // One of the two factors is packed: with filters of one tap the smaller.
  if (g.plain() && g.filters > g.channels) {
    std::swap(g.filters, g.channels);
    return SlopeSums<T>(g, gradient, x, true).run(before, out);
  }
  return SlopeSums<T>(g, x, gradient, false).run(before, out);
}

template Status correlateSlopes<float>(const Geometry&, const float*, const float*, const float*, float*);
template Status correlateSlopes<double>(const Geometry&, const double*, const double*, const double*, double*);

}  // namespace latent
