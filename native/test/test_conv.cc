// The kernels of convolution, of every instruction set: sizes around every tile, places that a table tells, and memory that
// ends where the contract says.
#include <algorithm>
#include <vector>

#include "../runtime/conv/conv.h"
#include "check.h"
#include "generator.h"
#include "guard.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

int64_t upTo(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// Small integers throughout: every sum is exact, in whatever order.
template <class T>
class Sweep {
 public:
  Sweep(const KernelTable& table, uint64_t seed)
      : table_(table), kernel_(floatKernels<T>(table)), shape_(kernel_.gemmShape), random_(seed) {
    for (Guarded*& memory : memories_) memory = new Guarded(size_t(1) << 19);
  }
  ~Sweep() {
    for (Guarded* memory : memories_) delete memory;
  }

  void run() {
    const int64_t wide = shape_.across * shape_.lanes + shape_.lanes, thin = thinning();
    int64_t turn = 0;
    for (int64_t rows = 1; rows <= 2 * shape_.mr + 1; ++rows) {
      for (int64_t columns = 1; columns <= wide; ++columns) {
        if (turn++ % thin != 0) continue;
        block(rows, columns, 1 + random_.below(11));
        if (columns <= 2 * shape_.across + 2) slope(rows, columns, 1 + random_.below(20));
      }
    }
    for (int64_t columns = 1; columns <= wide; ++columns) channel(1 + random_.below(4), columns, 1 + random_.below(9));
    for (int64_t columns = 1; columns <= 2 * kWidest<T> + 3; ++columns) {
      for (int step : {1, 2}) {
        for (int taps : {3, 5}) {
          depthwise(1 + random_.below(9), columns, step, taps, taps);
          depthwiseSlope(1 + random_.below(9), columns, step, taps);
        }
      }
      if (kernel_.depthwiseTaps == 7) depthwise(1 + random_.below(9), columns, 1, 7, 7);
      for (int form = 0; form < 4; ++form)
        depthwise(1 + random_.below(9), columns, 0, (form & 1) + 1 + (form >> 1), 2 + (form >> 1));
    }
    for (int64_t count = 0; count <= 4 * kWidest<T> + 1; ++count) {
      for (int64_t step = 1; step <= 3; ++step) {
        padded(1, 0, count, 0, step);
        padded(random_.below(5), random_.below(3), count, random_.below(3), step);
      }
    }
  }

 private:
  T* take(int k, int64_t count, Place place = Place::kEnding, int64_t offset = 0) {
    T* p = memories_[k]->template take<T>(count, place, offset);
    for (int64_t i = 0; i < count; ++i) p[i] = static_cast<T>(random_.integer());
    return p;
  }
  static double real(T x) { return static_cast<double>(x); }

  // `count` places from [0, reach].
  std::vector<int32_t> places(int64_t count, int64_t reach) {
    std::vector<int32_t> list(static_cast<size_t>(count));
    for (int32_t& place : list) place = static_cast<int32_t>(random_.below(reach + 1));
    return list;
  }

  void block(int64_t rows, int64_t columns, int64_t depth) {
    const bool bias = random_.below(2) == 0, relu = random_.below(2) == 0;
    const int64_t period = 1 + random_.below(depth), chain = 1 + random_.below(period), reach = random_.below(40);
    setCase("%s %s conv rows=%lld columns=%lld depth=%lld by %lld, %lld bias=%d relu=%d", table_.name, typeName<T>(),
            wide(rows), wide(columns), wide(depth), wide(period), wide(chain), bias, relu);
    const std::vector<int32_t> offsets = places(depth, reach);
    const int64_t farthest = *std::max_element(offsets.begin(), offsets.end());
    const T* x = take(0, farthest + upTo(columns, shape_.lanes));
    const T* weights = take(1, rows * depth);
    T* packed = take(2, packedRows(rows, shape_.mr) * depth);
    kernel_.packA(rows, depth, weights, depth, 1, packed);
    const T* b = take(3, rows);
    const int64_t yRow = columns + random_.below(3);
    T* y = take(4, (rows - 1) * yRow + columns);
    std::vector<T> before(y, y + (rows - 1) * yRow + columns);
    // A page's end is aligned as a panel must be.
    T* panel = take(5, upTo(convPanel(shape_, chain), 64));
    if (random_.below(3) == 0) panel = nullptr;
    const int64_t cut = random_.below(depth) / period * period;
    for (int64_t begin : {int64_t(0), cut}) {
      const int64_t end = begin == cut ? depth : cut;
      if (begin == 0 && cut == 0 && end != depth) continue;
      kernel_.convBlock({rows, columns, depth, begin, end, period, chain, packed, x, offsets.data() + begin, y, yRow,
                         bias ? b : nullptr, relu ? Activation::kRelu : Activation::kNone, panel});
      if (end == depth) break;
    }
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        double want = bias ? real(b[i]) : 0;
        for (int64_t p = 0; p < depth; ++p)
          want += real(weights[i * depth + p]) * real(x[offsets[static_cast<size_t>(p)] + j]);
        if (relu && want < 0) want = 0;
        const double got = real(y[i * yRow + j]);
        LATENT_CHECK(got == want, "%s: y[%lld][%lld] is %g instead of %g", caseText(), wide(i), wide(j), got, want);
      }
      for (int64_t j = columns; j < yRow && i + 1 < rows; ++j) {
        LATENT_CHECK(y[i * yRow + j] == before[static_cast<size_t>(i * yRow + j)], "%s: wrote between the rows",
                     caseText());
      }
    }
    LATENT_CHECK(memories_[4]->untouchedOutside(), "%s: wrote outside", caseText());
    LATENT_CHECK(memories_[5]->untouchedOutside(), "%s: wrote outside of its panel", caseText());
  }

  void slope(int64_t rows, int64_t panels, int64_t depth) {
    const bool accumulate = random_.below(2) == 0;
    setCase("%s %s conv slope rows=%lld panels=%lld depth=%lld accumulate=%d", table_.name, typeName<T>(), wide(rows),
            wide(panels), wide(depth), accumulate);
    const int64_t L = shape_.lanes, channels = panels * L;
    const std::vector<int32_t> offsets = places(rows, 40);
    const T* x = take(0, *std::max_element(offsets.begin(), offsets.end()) + depth);
    const T* g = take(1, channels * depth);
    T* packed = take(2, channels * depth);
    kernel_.packB(depth, channels, g, 1, depth, packed);
    const int64_t outRow = channels + random_.below(3);
    T* out = take(4, (rows - 1) * outRow + channels);
    const std::vector<T> before(out, out + (rows - 1) * outRow + channels);
    const int64_t period = 1 + random_.below(depth + 1), chain = 1 + random_.below(period);
    kernel_.convSlopeBlock({rows, panels, depth, period, chain, x, offsets.data(), packed, out, outRow, accumulate});
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t k = 0; k < channels; ++k) {
        double want = accumulate ? real(before[static_cast<size_t>(i * outRow + k)]) : 0;
        for (int64_t p = 0; p < depth; ++p) want += real(x[offsets[static_cast<size_t>(i)] + p]) * real(g[k * depth + p]);
        const double got = real(out[i * outRow + k]);
        LATENT_CHECK(got == want, "%s: out[%lld][%lld] is %g instead of %g", caseText(), wide(i), wide(k), got, want);
      }
    }
    LATENT_CHECK(memories_[4]->untouchedOutside(), "%s: wrote outside", caseText());
  }

  void channel(int64_t rows, int64_t columns, int64_t taps) {
    const bool relu = random_.below(2) == 0;
    setCase("%s %s conv channel rows=%lld columns=%lld taps=%lld relu=%d", table_.name, typeName<T>(), wide(rows),
            wide(columns), wide(taps), relu);
    const std::vector<int32_t> offsets = places(taps, 30);
    const int64_t xRow = columns + random_.below(9);
    const int64_t end = (rows - 1) * xRow + *std::max_element(offsets.begin(), offsets.end()) + upTo(columns, shape_.lanes);
    const T *x = take(0, end), *weights = take(1, taps);
    T* y = take(4, rows * columns);
    const T bias = static_cast<T>(random_.integer());
    kernel_.convChannel(
        {rows, columns, taps, x, xRow, offsets.data(), weights, bias, y, relu ? Activation::kRelu : Activation::kNone});
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        double want = real(bias);
        for (int64_t t = 0; t < taps; ++t)
          want += real(weights[t]) * real(x[i * xRow + offsets[static_cast<size_t>(t)] + j]);
        if (relu && want < 0) want = 0;
        const double got = real(y[i * columns + j]);
        LATENT_CHECK(got == want, "%s: y[%lld][%lld] is %g instead of %g", caseText(), wide(i), wide(j), got, want);
      }
    }
    LATENT_CHECK(memories_[4]->untouchedOutside(), "%s: wrote outside", caseText());
  }

  // A plane of inputs that outputs of some rows and columns reach out of on every side; a step of 0 stands for two phases.
  void depthwise(int64_t rows, int64_t columns, int step, int tapsDown, int tapsAcross) {
    const int phases = step == 0 ? 2 : 1, by = step == 0 ? 1 : step;
    const bool relu = random_.below(2) == 0;
    const int64_t firstDown = random_.below(7) - 4, firstAcross = random_.below(7) - 4;
    const int64_t height = 1 + random_.below(rows * by + 4), width = 1 + random_.below(columns * by + 4);
    const int64_t begin = random_.below(rows), end = begin + 1 + random_.below(rows - begin),
                  yRow = columns + random_.below(3);
    setCase("%s %s depthwise rows=%lld..%lld columns=%lld of %lld x %lld step=%d taps=%d x %d first=%lld, %lld relu=%d",
            table_.name, typeName<T>(), wide(begin), wide(end), wide(columns), wide(height), wide(width), step, tapsDown,
            tapsAcross, wide(firstDown), wide(firstAcross), relu);
    for (Place place : {Place::kEnding, Place::kBeginning}) {
      const T *x = take(0, height * width, place), *weights = take(1, phases * tapsDown * tapsAcross);
      T* y = take(4, (rows - 1) * yRow + columns, place);
      const std::vector<T> before(y, y + (rows - 1) * yRow + columns);
      const T bias = static_cast<T>(random_.integer());
      const uint32_t present[] = {static_cast<uint32_t>(random_.below(8)), static_cast<uint32_t>(random_.below(8))};
      kernel_.depthwise({begin,
                         end,
                         columns,
                         height,
                         width,
                         by,
                         tapsDown,
                         tapsAcross,
                         phases,
                         firstDown,
                         firstAcross,
                         x,
                         weights,
                         {present[0], present[1]},
                         bias,
                         y,
                         yRow,
                         relu ? Activation::kRelu : Activation::kNone});
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < (i + 1 < rows ? yRow : columns); ++j) {
          const int64_t q = j % phases, place = i * yRow + j;
          double want = real(bias);
          for (int64_t r = 0; r < tapsDown; ++r) {
            for (int64_t s = 0; s < tapsAcross; ++s) {
              const int64_t h = i * by + firstDown + r, w = j / phases * by + firstAcross + s;
              if (h < 0 || h >= height || w < 0 || w >= width || (phases == 2 && (present[q] >> s & 1) == 0)) continue;
              want += real(weights[(q * tapsDown + r) * tapsAcross + s]) * real(x[h * width + w]);
            }
          }
          if (relu && want < 0) want = 0;
          if (i < begin || i >= end || j >= columns) want = real(before[static_cast<size_t>(place)]);
          LATENT_CHECK(real(y[place]) == want, "%s: y[%lld][%lld] is %g instead of %g", caseText(), wide(i), wide(j),
                       real(y[place]), want);
        }
      }
      LATENT_CHECK(memories_[4]->untouchedOutside(), "%s: wrote outside", caseText());
    }
  }

  void depthwiseSlope(int64_t rows, int64_t columns, int step, int taps) {
    const int64_t firstDown = random_.below(7) - 4, firstAcross = random_.below(7) - 4, L = shape_.lanes;
    const int64_t height = 1 + random_.below(rows * step + 4), width = 1 + random_.below(columns * step + 4);
    const int64_t begin = random_.below(rows), end = begin + 1 + random_.below(rows - begin);
    setCase("%s %s depthwise slope rows=%lld..%lld columns=%lld of %lld x %lld step=%d taps=%d first=%lld, %lld",
            table_.name, typeName<T>(), wide(begin), wide(end), wide(columns), wide(height), wide(width), step, taps,
            wide(firstDown), wide(firstAcross));
    for (Place place : {Place::kEnding, Place::kBeginning}) {
      const T *x = take(0, height * width, place), *g = take(1, rows * columns, place);
      T* sums = take(4, taps * taps * L);
      const std::vector<T> before(sums, sums + taps * taps * L);
      kernel_.depthwiseSlopes({begin, end, columns, height, width, step, taps, firstDown, firstAcross, x, g, sums});
      for (int64_t t = 0; t < taps * taps; ++t) {
        for (int64_t lane = 0; lane < L; ++lane) {
          double want = real(before[static_cast<size_t>(t * L + lane)]);
          for (int64_t i = begin; i < end; ++i) {
            for (int64_t j = lane; j < columns; j += L) {
              const int64_t h = i * step + firstDown + t / taps, w = j * step + firstAcross + t % taps;
              if (h >= 0 && h < height && w >= 0 && w < width) want += real(g[i * columns + j]) * real(x[h * width + w]);
            }
          }
          LATENT_CHECK(real(sums[t * L + lane]) == want, "%s: tap %lld, lane %lld is %g instead of %g", caseText(), wide(t),
                       wide(lane), real(sums[t * L + lane]), want);
        }
      }
      LATENT_CHECK(memories_[4]->untouchedOutside(), "%s: wrote outside", caseText());
    }
  }

  void padded(int64_t rows, int64_t before, int64_t inside, int64_t after, int64_t step) {
    setCase("%s %s copyPadded rows=%lld %lld+%lld+%lld step=%lld", table_.name, typeName<T>(), wide(rows), wide(before),
            wide(inside), wide(after), wide(step));
    const int64_t columns = before + inside + after, reach = inside == 0 ? 0 : (inside - 1) * step + 1;
    const int64_t xRow = reach + random_.below(3);
    for (Place place : {Place::kEnding, Place::kBeginning}) {
      const T* x = take(0, rows == 0 ? 0 : (rows - 1) * xRow + reach, place);
      T* out = take(1, rows * columns, place);
      kernel_.copyPadded(rows, columns, before, inside, x, xRow, step, out);
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < columns; ++j) {
          const bool within = j >= before && j < before + inside;
          LATENT_CHECK(out[i * columns + j] == (within ? x[i * xRow + (j - before) * step] : T(0)),
                       "%s: element %lld of row %lld", caseText(), wide(j), wide(i));
        }
      }
      LATENT_CHECK(memories_[1]->untouchedOutside(), "%s: wrote outside", caseText());
    }
  }

  const KernelTable& table_;
  const FloatKernels<T>& kernel_;
  const GemmShape shape_;
  Generator random_;
  Guarded* memories_[6];
};

// Filters of one tap read pixels where they are: nothing after the last of them, on the kernels that the process has.
template <class T>
void inPlace(uint64_t seed) {
  Generator random(seed);
  Guarded memory(size_t(1) << 16);
  for (int64_t columns = 1; columns <= 3 * kWidest<T> + 1; ++columns) {
    const int64_t images = 1 + random.below(2), groups = 1 + random.below(2), channels = 2 + random.below(3);
    const int64_t filters = 2 + random.below(20);
    setCase("%s one tap images=%lld groups=%lld channels=%lld filters=%lld columns=%lld", typeName<T>(), wide(images),
            wide(groups), wide(channels), wide(filters), wide(columns));
    const Geometry g{{1, 1, 1, 1, 0, 1}, {columns, columns, 1, 1, 0, 1}, images, groups, channels, filters};
    T* x = memory.take<T>(images * groups * channels * columns, Place::kEnding);
    for (int64_t i = 0; i < images * groups * channels * columns; ++i) x[i] = static_cast<T>(random.integer());
    std::vector<T> weights(static_cast<size_t>(groups * filters * channels)),
        y(static_cast<size_t>(images * groups * filters * columns));
    for (T& weight : weights) weight = static_cast<T>(random.integer());
    const Status status = correlate<T>(g, x, Filters<T>::whole(g, weights.data()), nullptr, Activation::kNone, y.data(),
                                       {groups * filters * columns, columns, columns, 1});
    LATENT_CHECK(status == Status::kOk, "%s: refused", caseText());
    for (size_t i = 0; i < y.size(); ++i) {
      const int64_t at = static_cast<int64_t>(i), j = at % columns, k = at / columns % filters,
                    group = at / columns / filters % groups;
      const int64_t image = at / columns / filters / groups;
      double want = 0;
      for (int64_t c = 0; c < channels; ++c) {
        want += static_cast<double>(weights[static_cast<size_t>((group * filters + k) * channels + c)]) *
                static_cast<double>(x[((image * groups + group) * channels + c) * columns + j]);
      }
      LATENT_CHECK(static_cast<double>(y[i]) == want, "%s: element %lld is %g instead of %g", caseText(), wide(at),
                   static_cast<double>(y[i]), want);
    }
  }
}

}  // namespace

int main() {
  reportFaults();
  const uint64_t seed = test::seed();
  forEachSet([&](const KernelTable& table) {
    Sweep<float>(table, seed).run();
    Sweep<double>(table, seed + 1).run();
  });
  // Channels further apart than a table of 32 bits tells are not read in place.
  const Line row{1, 1, 1, 1, 0, 1};
  const auto plane = [&](int64_t columns, int64_t channels) {
    return Geometry{row, {columns, columns, 1, 1, 0, 1}, 1, 1, channels, 3};
  };
  LATENT_CHECK(plane(1 << 29, 3).reachable() && !plane(1 << 30, 2).reachable(), "what a table can tell");
  inPlace<float>(seed + 2);
  inPlace<double>(seed + 3);
  return finish("test_conv");
}
