// The kernels of pooling, of every instruction set: windows of every form, over rows of every length around the vectors'.
#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "closeness.h"
#include "generator.h"
#include "guard.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

template <class T>
class Sweep {
 public:
  Sweep(const KernelTable& table, uint64_t seed) : table_(table), kernel_(floatKernels<T>(table)), random_(seed) {}

  void run() {
    const int64_t longest = 2 * kWidest<T> + 1, thin = thinning();
    int64_t turn = 0;
    for (int64_t columns = 1; columns <= longest; ++columns) {
      for (int64_t across : {1, 2, 3, 5}) {
        for (int64_t width = 1; width <= 5; ++width) {
          if (turn++ % thin != 0) continue;
          const int64_t height = 1 + random_.below(3), down = 1 + random_.below(4), rows = 1 + random_.below(3);
          windows({rows, columns, height, width, down, across, 0, 0});
          if (across <= 2) line(columns * across, across, width);
        }
      }
    }
  }

 private:
  void windows(PoolBlock block) {
    const int64_t reach = (block.columns - 1) * block.across + block.width;
    block.xRow = reach + random_.below(3);
    block.outRow = block.columns + random_.below(3);
    const int64_t inputs = ((block.rows - 1) * block.down + block.height - 1) * block.xRow + reach;
    const int64_t outputs = (block.rows - 1) * block.outRow + block.columns;
    for (Place place : {Place::kEnding, Place::kBeginning}) {
      setCase("%s %s pool rows=%lld columns=%lld height=%lld width=%lld down=%lld across=%lld place=%d", table_.name,
              typeName<T>(), wide(block.rows), wide(block.columns), wide(block.height), wide(block.width), wide(block.down),
              wide(block.across), static_cast<int>(place));
      // Few different values, so that windows have several largest ones, zeros of both signs among them; a NaN now and then.
      T* x = fill(0, inputs, place);
      for (int64_t i = 0; i < inputs; ++i) {
        if (x[i] == 0 && random_.below(2) == 0) x[i] = -x[i];
      }
      if (random_.below(4) == 0) x[random_.below(inputs)] = std::numeric_limits<T>::quiet_NaN();
      T* out = memories_[1].take<T>(outputs, place);
      rowCounts_.clear();
      columnCounts_.clear();
      for (int64_t i = 0; i < block.rows; ++i) rowCounts_.push_back(static_cast<T>(1 + random_.below(3)));
      for (int64_t j = 0; j < block.columns; ++j) columnCounts_.push_back(static_cast<T>(1 + random_.below(3)));
      values(block, x, out, true);
      values(block, x, out, false);
      T* told = memories_[3].take<T>(outputs, place);
      places(block, x, out, told);
      T* g = fill(1, outputs, place);
      T* slopes = fill(2, inputs, place);
      gradients(block, x, told, g, slopes, inputs, true);
      slopes = fill(2, inputs, place);
      gradients(block, x, told, g, slopes, inputs, false);
    }
  }

  void values(const PoolBlock& b, const T* x, T* out, bool largest) {
    if (largest) kernel_.poolMax(b, x, out);
    else kernel_.poolMean(b, x, rowCounts_.data(), columnCounts_.data(), out);
    forWindows(b, [&](int64_t at, int64_t to, double count) {
      double sum = 0;
      forTaps(b, [&](int64_t tap) { sum += static_cast<double>(x[at + tap]); });
      const double want = largest ? static_cast<double>(x[at + bestOf(b, x + at)]) : sum / count;
      LATENT_CHECK(largest ? alike(out[to], want) : close(out[to], want, 1), "%s: %s[%lld] is %g instead of %g", caseText(),
                   largest ? "max" : "mean", wide(to), static_cast<double>(out[to]), want);
    });
    LATENT_CHECK(memories_[1].untouchedOutside(), "%s: wrote outside", caseText());
  }

  void places(const PoolBlock& b, const T* x, T* out, T* places) {
    kernel_.poolMaxPlaced(b, x, out, places);
    forWindows(b, [&](int64_t at, int64_t to, double) {
      const int64_t best = bestOf(b, x + at), place = best / b.xRow * b.width + best % b.xRow;
      LATENT_CHECK(places[to] == static_cast<T>(place), "%s: place[%lld] is %g instead of %lld", caseText(), wide(to),
                   static_cast<double>(places[to]), wide(place));
      LATENT_CHECK(alike(out[to], static_cast<double>(x[at + best])), "%s: max[%lld] is %g", caseText(), wide(to),
                   static_cast<double>(out[to]));
    });
    LATENT_CHECK(memories_[1].untouchedOutside(), "%s: wrote outside", caseText());
    LATENT_CHECK(memories_[3].untouchedOutside(), "%s: wrote places outside", caseText());
  }

  void gradients(const PoolBlock& b, const T* x, const T* places, const T* g, T* slopes, int64_t inputs, bool largest) {
    std::vector<double> want(slopes, slopes + inputs);
    forWindows(b, [&](int64_t at, int64_t from, double count) {
      const double value = static_cast<double>(g[from]);
      if (largest) want[static_cast<size_t>(at + bestOf(b, x + at))] += value;
      else forTaps(b, [&](int64_t tap) { want[static_cast<size_t>(at + tap)] += value / count; });
    });
    if (largest) kernel_.poolMaxSlope(b, places, g, slopes);
    else kernel_.poolMeanSlope(b, rowCounts_.data(), columnCounts_.data(), g, slopes);
    const double allowed = largest ? 0 : 64 * static_cast<double>(std::numeric_limits<T>::epsilon());
    for (int64_t i = 0; i < inputs; ++i) {
      LATENT_CHECK(close(slopes[i], want[static_cast<size_t>(i)], 0, allowed),
                   "%s: the slope of the %s at %lld is %g instead of %g", caseText(), largest ? "max" : "mean", wide(i),
                   static_cast<double>(slopes[i]), want[static_cast<size_t>(i)]);
    }
    LATENT_CHECK(memories_[2].untouchedOutside(), "%s: wrote slopes outside", caseText());
  }

  // A row that lies under several rows of windows, from their first element on.
  void line(int64_t columns, int64_t across, int64_t width) {
    const int64_t count = random_.below(4), span = columns / across + 1, size = width + span + kWidest<T>;
    setCase("%s %s pool line columns=%lld across=%lld width=%lld lines=%lld", table_.name, typeName<T>(), wide(columns),
            wide(across), wide(width), wide(count));
    std::vector<std::vector<T>> held;
    std::vector<PoolLine<T>> lines;
    for (int64_t l = 0; l < count; ++l) {
      std::vector<T> places, g;
      const int64_t tap = random_.below(3) * width;
      for (int64_t j = 0; j < size; ++j) {
        const bool none = j < width || j >= width + span;
        places.push_back(static_cast<T>(none ? -1 : tap + random_.below(width + 1)));
        g.push_back(static_cast<T>(none ? 1000 : random_.integer()));
      }
      held.push_back(places);
      held.push_back(g);
      lines.push_back({nullptr, nullptr, static_cast<T>(tap)});
    }
    for (int64_t l = 0; l < count; ++l) {
      lines[static_cast<size_t>(l)].places = held[static_cast<size_t>(2 * l)].data() + width;
      lines[static_cast<size_t>(l)].g = held[static_cast<size_t>(2 * l + 1)].data() + width;
    }
    T* slopes = memories_[2].take<T>(columns, Place::kEnding);
    kernel_.poolMaxLine(columns, across, width, count, lines.data(), slopes);
    for (int64_t x = 0; x < columns; ++x) {
      double want = 0;
      for (const PoolLine<T>& one : lines) {
        for (int64_t c = x % across; c < width && c <= x; c += across) {
          const int64_t j = (x - c) / across;
          if (one.places[j] == one.tap + static_cast<T>(c)) want += static_cast<double>(one.g[j]);
        }
      }
      LATENT_CHECK(static_cast<double>(slopes[x]) == want, "%s: slope %lld is %g instead of %g", caseText(), wide(x),
                   static_cast<double>(slopes[x]), want);
    }
    LATENT_CHECK(memories_[2].untouchedOutside(), "%s: wrote slopes outside", caseText());
  }

  // The same number, zeros by their signs.
  static bool alike(T got, double want) {
    return close(got, want, 0) && (want != 0 || std::signbit(got) == std::signbit(want));
  }

  T* fill(int k, int64_t count, Place place) {
    T* p = memories_[k].take<T>(count, place);
    for (int64_t i = 0; i < count; ++i) p[i] = static_cast<T>(random_.integer());
    return p;
  }

  template <class F>
  void forWindows(const PoolBlock& b, F&& each) const {
    for (int64_t i = 0; i < b.rows; ++i) {
      for (int64_t j = 0; j < b.columns; ++j) {
        each(i * b.down * b.xRow + j * b.across, i * b.outRow + j,
             static_cast<double>(rowCounts_[static_cast<size_t>(i)] * columnCounts_[static_cast<size_t>(j)]));
      }
    }
  }
  template <class F>
  static void forTaps(const PoolBlock& b, F&& each) {
    for (int64_t r = 0; r < b.height; ++r) {
      for (int64_t c = 0; c < b.width; ++c) each(r * b.xRow + c);
    }
  }
  // The first of the largest; the first NaN where there is one.
  static int64_t bestOf(const PoolBlock& b, const T* x) {
    int64_t best = 0;
    forTaps(b, [&](int64_t tap) {
      if (x[best] == x[best] && (x[tap] > x[best] || x[tap] != x[tap])) best = tap;
    });
    return best;
  }

  const KernelTable& table_;
  const FloatKernels<T>& kernel_;
  Generator random_;
  std::vector<T> rowCounts_, columnCounts_;
  Guarded memories_[4]{Guarded(size_t(1) << 16), Guarded(size_t(1) << 16), Guarded(size_t(1) << 16),
                       Guarded(size_t(1) << 16)};
};

}  // namespace

int main() {
  reportFaults();
  const uint64_t seed = test::seed();
  forEachSet([&](const KernelTable& table) {
    Sweep<float>(table, seed).run();
    Sweep<double>(table, seed + 1).run();
  });
  return finish("test_pool");
}
