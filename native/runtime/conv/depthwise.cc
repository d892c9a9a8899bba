#include "depthwise.h"

#include <algorithm>

#include "../memory.h"
#include "../threads.h"

namespace latent {
namespace {

constexpr int64_t kTasksPerThread = 2;
constexpr int kMostTaps = 7;

// Whether the kernels have filters of so many taps; those of `most` taps only with a step of 1.
bool isSmall(const Line& line, int64_t most) {
  const bool few = line.taps == 3 || line.taps == 5;
  return (few || (line.taps == most && line.step == 1)) && (line.gap == 1 || line.gap == -1) && line.step <= 2;
}

// The first input that an output reads, whichever tap that is.
int64_t firstOf(const Line& line) { return line.gap < 0 ? line.first + (line.taps - 1) * line.gap : line.first; }

// Calls body(plane, begin, end) for the rows of all planes, in parts where there are fewer planes than threads.
template <class Body>
void overPlanes(double work, int64_t planes, int64_t rows, Body&& body) {
  const int threads = threads::forWork(work);
  const int64_t parts = planes >= threads ? 1 : std::min(rows, ceilDiv(kTasksPerThread * threads, planes));
  const int64_t count = planes * parts, tasks = threads == 1 ? 1 : std::min(count, kTasksPerThread * threads);
  const auto one = [&](int64_t task) {
    for (int64_t i = count * task / tasks; i < count * (task + 1) / tasks; ++i) {
      const int64_t part = i % parts;
      body(i / parts, rows * part / parts, rows * (part + 1) / parts);
    }
  };
  parallelFor(tasks, one);
}

// Every second input of a line, from number `phase` on. Input m of them is reached by the taps `tap`, `tap` + 2, …, from the
// outputs m + last, m + last - 1, …
struct Phase {
  int64_t outputs, tap, taps, last;

  Phase(const Line& line, int64_t phase)
      : outputs(ceilDiv(line.in - phase, 2)), tap(floorMod(phase - line.first, 2)), taps((line.taps - 1 - tap) / 2 + 1),
        last((phase - line.first - tap) / 2) {}
  int64_t first() const { return last - taps + 1; }
};

}  // namespace

template <class T>
bool isDepthwise(const Geometry& g) {
  const int64_t most = floatKernels<T>(kernels()).depthwiseTaps;
  return g.single() && isSmall(g.down, most) && isSmall(g.across, most) && g.down.taps == g.across.taps &&
         g.down.step == g.across.step;
}

template <class T>
bool hasDepthwiseSlopes(const Geometry& g) {
  return isDepthwise<T>(g) && g.down.taps <= 5 && g.down.gap == 1 && g.across.gap == 1 &&
         g.across.out <= kChain * floatKernels<T>(kernels()).gemmShape.lanes;
}

template <class T>
Status depthwise(const Geometry& g, const T* x, const Filters<T>& weights, const T* bias, Activation activation, T* y,
                 const Grid& grid) {
  const FloatKernels<T>& kernel = floatKernels<T>(kernels());
  const int64_t taps = g.down.taps;
  overPlanes(g.work(), g.images * g.groups, g.down.out, [&](int64_t plane, int64_t begin, int64_t end) {
    const int64_t image = plane / g.groups, channel = plane % g.groups;
    T filter[kMostTaps * kMostTaps];
    for (int64_t r = 0; r < taps; ++r) {
      for (int64_t s = 0; s < taps; ++s) {
        const int64_t down = g.down.gap < 0 ? taps - 1 - r : r, across = g.across.gap < 0 ? taps - 1 - s : s;
        filter[r * taps + s] = weights.data[channel * weights.group + down * weights.down + across * weights.across];
      }
    }
    kernel.depthwise({begin,
                      end,
                      g.across.out,
                      g.down.in,
                      g.across.in,
                      static_cast<int>(g.down.step),
                      static_cast<int>(taps),
                      static_cast<int>(taps),
                      1,
                      firstOf(g.down),
                      firstOf(g.across),
                      x + plane * g.down.in * g.across.in,
                      filter,
                      {},
                      bias == nullptr ? T(0) : bias[channel],
                      y + image * grid.image + channel * grid.filter,
                      grid.row,
                      activation});
  });
  return Status::kOk;
}

template <class T>
Status depthwiseData(const Geometry& g, const T* gradient, const T* weights, const T* bias, T* out) {
  const FloatKernels<T>& kernel = floatKernels<T>(kernels());
  const int64_t taps = g.down.taps, rows = g.down.in, columns = g.across.in;
  const Phase across[2] = {Phase(g.across, 0), Phase(g.across, 1)};
  const int64_t first = std::min(across[0].first(), across[1].first());
  const int64_t wide = (across[0].last > across[1].last ? across[0].last : across[1].last) - first + 1;
  overPlanes(g.work(), g.images * g.groups, ceilDiv(rows, 2), [&](int64_t plane, int64_t begin, int64_t end) {
    const int64_t channel = plane % g.groups;
    const T* const from = weights + channel * taps * taps;
    for (int64_t i = 0; i < 2; ++i) {
      const Phase down(g.down, i);
      T filters[2 * kMostTaps * kMostTaps] = {};
      DepthwisePlane<T> p{begin,
                          std::min(end, down.outputs),
                          columns,
                          g.down.out,
                          g.across.out,
                          1,
                          static_cast<int>(down.taps),
                          static_cast<int>(wide),
                          2,
                          down.first(),
                          first,
                          gradient + plane * g.down.out * g.across.out,
                          filters,
                          {},
                          bias == nullptr ? T(0) : bias[channel],
                          out + (plane * rows + i) * columns,
                          2 * columns,
                          Activation::kNone};
      for (int64_t q = 0; q < 2; ++q) {
        for (int64_t r = 0; r < down.taps; ++r) {
          const int64_t row = down.tap + 2 * (down.taps - 1 - r);
          for (int64_t s = 0; s < wide; ++s) {
            const int64_t back = across[q].last - first - s;
            if (back < 0 || back >= across[q].taps) continue;
            p.present[q] |= 1u << s;
            filters[(q * down.taps + r) * wide + s] = from[row * taps + across[q].tap + 2 * back];
          }
        }
      }
      if (p.begin < p.end) kernel.depthwise(p);
    }
  });
  return Status::kOk;
}

template <class T>
Status depthwiseSlopes(const Geometry& g, const T* x, const T* gradient, const T* before, T* out) {
  const FloatKernels<T>& kernel = floatKernels<T>(kernels());
  const int64_t taps = g.taps(), lanes = kernel.gemmShape.lanes, rows = g.down.out, terms = ceilDiv(g.across.out, lanes);
  const int threads = threads::forWork(g.work());
  const int64_t tasks = threads == 1 ? 1 : std::min(g.groups, kTasksPerThread * threads);
  const Scratch room(static_cast<size_t>(tasks * taps * lanes) * sizeof(T));
  if (room.failed()) return Status::kOutOfMemory;
  const auto one = [&](int64_t task) {
    T* const sums = room.as<T>() + task * taps * lanes;
    for (int64_t channel = g.groups * task / tasks; channel < g.groups * (task + 1) / tasks; ++channel) {
      double totals[kMostTaps * kMostTaps];
      for (int64_t t = 0; t < taps; ++t)
        totals[t] = before == nullptr ? 0 : static_cast<double>(before[channel * taps + t]);
      // Each lane sums a chain of at most kChain products, and chains are added up in double.
      int64_t length = 0;
      const auto carry = [&] {
        for (int64_t t = 0; length > 0 && t < taps; ++t) {
          for (int64_t i = 0; i < lanes; ++i) totals[t] += static_cast<double>(sums[t * lanes + i]);
        }
        for (int64_t i = 0; i < taps * lanes; ++i) sums[i] = T(0);
        length = 0;
      };
      carry();
      for (int64_t image = 0; image < g.images; ++image) {
        const int64_t plane = image * g.groups + channel;
        for (int64_t begin = 0, end; begin < rows; begin = end) {
          if (length + terms > kChain) carry();
          end = std::min(rows, begin + (kChain - length) / terms);
          kernel.depthwiseSlopes({begin, end, g.across.out, g.down.in, g.across.in, static_cast<int>(g.down.step),
                                  static_cast<int>(g.down.taps), g.down.first, g.across.first,
                                  x + plane * g.down.in * g.across.in, gradient + plane * rows * g.across.out, sums});
          length += (end - begin) * terms;
        }
      }
      carry();
      for (int64_t t = 0; t < taps; ++t) out[channel * taps + t] = static_cast<T>(totals[t]);
    }
  };
  parallelFor(tasks, one);
  return Status::kOk;
}

template bool isDepthwise<float>(const Geometry&);
template bool isDepthwise<double>(const Geometry&);
template bool hasDepthwiseSlopes<float>(const Geometry&);
template bool hasDepthwiseSlopes<double>(const Geometry&);
template Status depthwise<float>(const Geometry&, const float*, const Filters<float>&, const float*, Activation, float*,
                                 const Grid&);
template Status depthwise<double>(const Geometry&, const double*, const Filters<double>&, const double*, Activation,
                                  double*, const Grid&);
template Status depthwiseData<float>(const Geometry&, const float*, const float*, const float*, float*);
template Status depthwiseData<double>(const Geometry&, const double*, const double*, const double*, double*);
template Status depthwiseSlopes<float>(const Geometry&, const float*, const float*, const float*, float*);
template Status depthwiseSlopes<double>(const Geometry&, const double*, const double*, const double*, double*);

}  // namespace latent
