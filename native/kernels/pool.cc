// Pooling over windows that lie inside their plane (what is outside is put around it before), a vector of windows of one row at a time.
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

// The first of equals, zeros of both signs among them, and the first NaN.
template <class V>
inline V largerOf(V a, V b) {
  return select(b <= a, a, select(isNan(a), a, b));
}

// Where the window in row i and column j begins, and where what belongs to it lies.
inline int64_t beginOf(const PoolBlock& p, int64_t i, int64_t j) { return i * p.down * p.xRow + j * p.across; }
inline int64_t placeOf(const PoolBlock& p, int64_t i, int64_t j) { return i * p.outRow + j; }

// How many neighbours are read at once.
template <int kStep>
constexpr int kTogether = kStep == 2 ? 2 : 1;

// One element of each of n windows, from p on, kStep apart (0: `step`). Nothing after the last window's is read.
template <class V, int kStep>
struct Taps {
  using T = typename V::Element;
  static constexpr int L = V::kLanes;
  int64_t step;
  int n;

  // `together` of them: what is one further on is the second.
  void load(const T* p, int together, V (&taps)[2]) const {
    if constexpr (kStep == 1) {
      taps[0] = loadUpTo<V>(p, n);
    } else if constexpr (kStep == 2) {
      V a, b;
      loadPair(p, 2 * n - 2 + together, a, b);
      taps[0] = evens(a, b);
      taps[1] = odds(a, b);
    } else {
      T lanes[L] = {};
      for (int k = 0; k < n; ++k) lanes[k] = p[k * step];
      taps[0] = V::load(lanes);
    }
  }
  // Adds to them.
  void add(const V (&shares)[2], int together, T* p) const {
    if constexpr (kStep == 1) {
      storeUpTo(loadUpTo<V>(p, n) + shares[0], p, n);
    } else if constexpr (kStep == 2) {
      V a, b;
      const int size = 2 * n - 2 + together;
      loadPair(p, size, a, b);
      storeUpTo(a + interleavedLow(shares[0], shares[1]), p, size < L ? size : L);
      if (size > L) storeUpTo(b + interleavedHigh(shares[0], shares[1]), p + L, size - L);
    } else {
      T lanes[L];
      shares[0].store(lanes);
      for (int k = 0; k < n; ++k) p[k * step] += lanes[k];
    }
  }

 private:
  static void loadPair(const T* p, int size, V& a, V& b) {
    a = loadUpTo<V>(p, size < L ? size : L);
    b = size > L ? loadUpTo<V>(p + L, size - L) : V::zero();
  }
};

// Calls each(taps, i, j) for vectors of windows, from the j-th of row i on.
template <class V, int kStep, class Each>
inline void forWindows(const PoolBlock& p, Each each) {
  for (int64_t i = 0; i < p.rows; ++i) {
    forEachVector<V>(p.columns, [&](int64_t j, int n) { each(Taps<V, kStep>{p.across, n}, i, j); });
  }
}

// Calls each(at, together) for a window's elements, in order.
template <int kMost, class Each>
inline void forTaps(const PoolBlock& p, Each each) {
  for (int64_t r = 0; r < p.height; ++r) {
    for (int64_t c = 0; c < p.width; c += kMost) {
      each(r * p.xRow + c, static_cast<int>(p.width - c < kMost ? p.width - c : kMost));
    }
  }
}

template <class V, int kStep, class T, class Combine>
inline V combined(const PoolBlock& p, const Taps<V, kStep>& taps, const T* x, Combine combine) {
  V all = V::zero();
  bool first = true;
  forTaps<kTogether<kStep>>(p, [&](int64_t at, int together) {
    V two[2];
    taps.load(x + at, together, two);
    all = first ? two[0] : combine(all, two[0]);
    if (together == 2) all = combine(all, two[1]);
    first = false;
  });
  return all;
}

// The sum of a window of any size, in chains.
template <class V, int kStep, class T>
inline V summed(const PoolBlock& p, const Taps<V, kStep>& taps, const T* x) {
  if (p.height * p.width <= kChain) return combined(p, taps, x, [](V a, V b) { return a + b; });
  // Sums of chains are a chain of their own.
  V total = V::zero(), chains = V::zero(), chain = V::zero();
  int64_t terms = 0, count = 0;
  forTaps<kTogether<kStep>>(p, [&](int64_t at, int together) {
    V two[2];
    taps.load(x + at, together, two);
    chain = chain + two[0];
    if (together == 2) chain = chain + two[1];
    terms += together;
    if (terms < kChain) return;
    chains = chains + chain;
    chain = V::zero();
    terms = 0;
    if (++count < kChain) return;
    total = total + chains;
    chains = V::zero();
    count = 0;
  });
  return total + (chains + chain);
}

template <class T, int kStep>
void poolMaxBy(const PoolBlock& p, const T* x, T* out) {
  using V = Vec<T>;
  forWindows<V, kStep>(p, [&](const Taps<V, kStep>& taps, int64_t i, int64_t j) {
    const V best = combined(p, taps, x + beginOf(p, i, j), [](V a, V b) { return largerOf(a, b); });
    storeUpTo(best, out + placeOf(p, i, j), taps.n);
  });
}

template <class T, int kStep>
void poolMeanBy(const PoolBlock& p, const T* x, const T* rowCounts, const T* columnCounts, T* out) {
  using V = Vec<T>;
  forWindows<V, kStep>(p, [&](const Taps<V, kStep>& taps, int64_t i, int64_t j) {
    const V sum = summed(p, taps, x + beginOf(p, i, j));
    const V count = V::set(rowCounts[i]) * loadUpTo<V>(columnCounts + j, taps.n);
    storeUpTo(sum / count, out + placeOf(p, i, j), taps.n);
  });
}

template <class T, int kStep>
void poolMaxPlacedBy(const PoolBlock& p, const T* x, T* out, T* places) {
  using V = Vec<T>;
  forWindows<V, kStep>(p, [&](const Taps<V, kStep>& taps, int64_t i, int64_t j) {
    V best = V::zero(), place = V::zero();
    T tap = 0;
    const auto meet = [&](V element) {
      // An element that is not at most the best is larger, or one of both is NaN; a NaN that is there already stays.
      const auto most = element <= best, nan = isNan(best);
      best = tap == 0 ? element : select(most, best, select(nan, best, element));
      place = tap == 0 ? V::zero() : select(most, place, select(nan, place, V::set(tap)));
      tap += 1;
    };
    const T* from = x + beginOf(p, i, j);
    forTaps<kTogether<kStep>>(p, [&](int64_t at, int together) {
      V two[2];
      taps.load(from + at, together, two);
      meet(two[0]);
      if (together == 2) meet(two[1]);
    });
    storeUpTo(best, out + placeOf(p, i, j), taps.n);
    storeUpTo(place, places + placeOf(p, i, j), taps.n);
  });
}

template <class T, int kStep>
void poolMaxLineBy(int64_t columns, int64_t width, int64_t lines, const PoolLine<T>* line, T* slopes) {
  using V = Vec<T>;
  constexpr int L = V::kLanes;
  for (int64_t x = 0; x < columns; x += kStep * L) {
    const int64_t first = x / kStep, left = columns - x;
    V sums[kStep];
    for (V& sum : sums) sum = V::zero();
    for (int64_t l = 0; l < lines; ++l) {
      for (int64_t c = 0; c < width; ++c) {
        const int64_t window = first - c / kStep;
        const auto here = V::load(line[l].places + window) == V::set(line[l].tap + static_cast<T>(c));
        const V share = select(here, V::load(line[l].g + window), V::zero());
        if (kStep == 1 || c % 2 == 0) sums[0] = sums[0] + share;
        else sums[kStep - 1] = sums[kStep - 1] + share;
      }
    }
    if constexpr (kStep == 1) {
      storeUpTo(sums[0], slopes + x, left < L ? static_cast<int>(left) : L);
    } else {
      storeUpTo(interleavedLow(sums[0], sums[1]), slopes + x, left < L ? static_cast<int>(left) : L);
      if (left > L)
        storeUpTo(interleavedHigh(sums[0], sums[1]), slopes + x + L, left < 2 * L ? static_cast<int>(left - L) : L);
    }
  }
}

template <class T>
void poolMaxLine(int64_t columns, int64_t across, int64_t width, int64_t lines, const PoolLine<T>* line, T* slopes) {
  if (across == 1) poolMaxLineBy<T, 1>(columns, width, lines, line, slopes);
  else poolMaxLineBy<T, 2>(columns, width, lines, line, slopes);
}

template <class T, int kStep>
void poolMaxSlopeBy(const PoolBlock& p, const T* places, const T* g, T* slopes) {
  using V = Vec<T>;
  forWindows<V, kStep>(p, [&](const Taps<V, kStep>& taps, int64_t i, int64_t j) {
    const V place = loadUpTo<V>(places + placeOf(p, i, j), taps.n), slope = loadUpTo<V>(g + placeOf(p, i, j), taps.n);
    T* const to = slopes + beginOf(p, i, j);
    T tap = 0;
    const auto share = [&] {
      const V own = select(place == V::set(tap), slope, V::zero());
      tap += 1;
      return own;
    };
    forTaps<kTogether<kStep>>(p, [&](int64_t at, int together) {
      V shares[2];
      shares[0] = share();
      shares[1] = together == 2 ? share() : V::zero();
      taps.add(shares, together, to + at);
    });
  });
}

template <class T, int kStep>
void poolMeanSlopeBy(const PoolBlock& p, const T* rowCounts, const T* columnCounts, const T* g, T* slopes) {
  using V = Vec<T>;
  forWindows<V, kStep>(p, [&](const Taps<V, kStep>& taps, int64_t i, int64_t j) {
    const V count = V::set(rowCounts[i]) * loadUpTo<V>(columnCounts + j, taps.n);
    const V share = loadUpTo<V>(g + placeOf(p, i, j), taps.n) / count;
    forTaps<kTogether<kStep>>(p, [&](int64_t tap, int together) {
      const V shares[2] = {share, together == 2 ? share : V::zero()};
      taps.add(shares, together, slopes + beginOf(p, i, j) + tap);
    });
  });
}

template <class T>
void poolMax(const PoolBlock& p, const T* x, T* out) {
  if (p.across == 1) return poolMaxBy<T, 1>(p, x, out);
  if (p.across == 2) return poolMaxBy<T, 2>(p, x, out);
  poolMaxBy<T, 0>(p, x, out);
}
template <class T>
void poolMean(const PoolBlock& p, const T* x, const T* rowCounts, const T* columnCounts, T* out) {
  if (p.across == 1) return poolMeanBy<T, 1>(p, x, rowCounts, columnCounts, out);
  if (p.across == 2) return poolMeanBy<T, 2>(p, x, rowCounts, columnCounts, out);
  poolMeanBy<T, 0>(p, x, rowCounts, columnCounts, out);
}
template <class T>
void poolMaxPlaced(const PoolBlock& p, const T* x, T* out, T* places) {
  if (p.across == 1) return poolMaxPlacedBy<T, 1>(p, x, out, places);
  if (p.across == 2) return poolMaxPlacedBy<T, 2>(p, x, out, places);
  poolMaxPlacedBy<T, 0>(p, x, out, places);
}
template <class T>
void poolMaxSlope(const PoolBlock& p, const T* places, const T* g, T* slopes) {
  if (p.across == 1) return poolMaxSlopeBy<T, 1>(p, places, g, slopes);
  if (p.across == 2) return poolMaxSlopeBy<T, 2>(p, places, g, slopes);
  poolMaxSlopeBy<T, 0>(p, places, g, slopes);
}
template <class T>
void poolMeanSlope(const PoolBlock& p, const T* rowCounts, const T* columnCounts, const T* g, T* slopes) {
  if (p.across == 1) return poolMeanSlopeBy<T, 1>(p, rowCounts, columnCounts, g, slopes);
  if (p.across == 2) return poolMeanSlopeBy<T, 2>(p, rowCounts, columnCounts, g, slopes);
  poolMeanSlopeBy<T, 0>(p, rowCounts, columnCounts, g, slopes);
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.poolMax = poolMax<T>;
  k.poolMean = poolMean<T>;
  k.poolMaxPlaced = poolMaxPlaced<T>;
  k.poolMaxLine = poolMaxLine<T>;
  k.poolMaxSlope = poolMaxSlope<T>;
  k.poolMeanSlope = poolMeanSlope<T>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addPool(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
