// Convolutions in which each channel has a filter of its own, a small one, read where its plane lies: vectors along the rows,
// with lanes left out at the borders, and several rows of outputs at a time, for which each row of inputs is read once.
#include "gemm_finish.h"
#include "gemm_tile.h"
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

// Rows of outputs that are computed together; of single elements none, for unrolled loops take the compiler its time.
template <class V>
constexpr int kTogether = V::kLanes == 1 ? 1 : 4;
// Rows that are walked before the next vector across.
constexpr int kBand = 32;

// The inputs of a vector of outputs for kAcross taps, kStep apart: which lanes lie inside, for each tap or pair of taps.
template <class V, int kAcross, int kStep>
class Taps {
 public:
  using T = typename V::Element;
  static constexpr int L = V::kLanes, kPairs = kStep == 1 ? kAcross : (kAcross + 1) / 2;

  // From column `first` on, of rows of so many.
  Taps(int64_t first, int64_t width) : whole_(first >= 0 && first + (kPairs - 1) * kStep + kStep * L <= width) {
    for (int k = 0; k < kPairs; ++k) {
      for (int h = 0; h < kStep; ++h) {
        const int64_t at = first + k * kStep + h * L;
        lanes_[k][h] = V::inside(-at, width - at);
      }
    }
  }
  bool isWhole() const { return whole_; }

  // The inputs of all taps, from where the first would lie.
  template <bool kWhole>
  void read(const T* p, V (&taps)[2 * kPairs]) const {
#pragma GCC unroll 8
    for (int k = 0; k < kPairs; ++k) {
      const T* const at = p + k * kStep;
      if constexpr (kStep == 1) {
        taps[k] = load<kWhole>(at, k, 0);
      } else {
        const V low = load<kWhole>(at, k, 0), high = load<kWhole>(at + L, k, 1);
        taps[2 * k] = evens(low, high);
        if (2 * k + 1 < kAcross) taps[2 * k + 1] = odds(low, high);
      }
    }
  }

 private:
  template <bool kWhole>
  V load(const T* p, int k, int h) const {
    return kWhole ? V::load(p) : V::loadInside(p, lanes_[k][h]);
  }

  typename V::Inside lanes_[kPairs][kStep];
  bool whole_;
};

template <int kNumber>
struct Number {
  static constexpr int kValue = kNumber;
};

// Calls body(i, Number) for blocks of kTogether rows, and of 2 and 1 for the rest.
template <class V, class Body>
inline void inBlocks(int64_t begin, int64_t end, Body&& body) {
  int64_t i = begin;
  for (; i + kTogether<V> <= end; i += kTogether<V>) body(i, Number<kTogether<V>>{});
  if constexpr (kTogether<V> > 1) {
    if (i + 2 <= end) {
      body(i, Number<2>{});
      i += 2;
    }
    if (i < end) body(i, Number<1>{});
  }
}

template <class V, int kDown, int kAcross, int kStep, int kPhases>
struct Outputs {
  using T = typename V::Element;
  using Row = Taps<V, kAcross, kStep>;
  static constexpr int L = V::kLanes;

  const DepthwisePlane<T>& p;
  V weights[kPhases][kDown][kAcross];

  explicit Outputs(const DepthwisePlane<T>& plane) : p(plane) {
    for (int q = 0; q < kPhases; ++q) {
      for (int r = 0; r < kDown; ++r) {
        for (int s = 0; s < kAcross; ++s) weights[q][r][s] = V::set(p.weights[(q * kDown + r) * kAcross + s]);
      }
    }
  }

  // Rows [i, i + kRows) of the vector whose inputs begin at column `column`.
  template <int kRows, bool kWhole>
  void block(int64_t i, const Row& row, int64_t column, T* y, int64_t left) const {
    V acc[kRows][kPhases];
    const V bias = V::set(p.bias);
#pragma GCC unroll 8
    for (int t = 0; t < kRows; ++t) {
#pragma GCC unroll 2
      for (int q = 0; q < kPhases; ++q) acc[t][q] = bias;
    }
    const int64_t top = i * kStep + p.firstDown;
#pragma GCC unroll 16
    for (int u = 0; u < (kRows - 1) * kStep + kDown; ++u) {
      if (top + u < 0 || top + u >= p.height) continue;
      V taps[2 * Row::kPairs];
      row.template read<kWhole>(p.x + (top + u) * p.width + column, taps);
#pragma GCC unroll 8
      for (int t = 0; t < kRows; ++t) {
        const int r = u - t * kStep;
        if (r < 0 || r >= kDown) continue;
#pragma GCC unroll 8
        for (int s = 0; s < kAcross; ++s) {
#pragma GCC unroll 2
          for (int q = 0; q < kPhases; ++q) {
            if (kPhases == 1 || (p.present[q] >> s & 1) != 0) acc[t][q] = plusProduct(acc[t][q], taps[s], weights[q][r][s]);
          }
        }
      }
    }
    const bool relu = p.activation == Activation::kRelu;
#pragma GCC unroll 8
    for (int t = 0; t < kRows; ++t) {
#pragma GCC unroll 2
      for (int q = 0; q < kPhases; ++q) acc[t][q] = relu ? reluOf(acc[t][q]) : acc[t][q];
      T* const to = y + (i + t) * p.yRow;
      if constexpr (kPhases == 1) {
        storeUpTo(acc[t][0], to, left < L ? static_cast<int>(left) : L);
      } else {
        storeUpTo(interleavedLow(acc[t][0], acc[t][1]), to, left < L ? static_cast<int>(left) : L);
        if (left > L)
          storeUpTo(interleavedHigh(acc[t][0], acc[t][1]), to + L, left < 2 * L ? static_cast<int>(left - L) : L);
      }
    }
  }

  void run() const {
    for (int64_t begin = p.begin; begin < p.end; begin += kBand) {
      const int64_t end = begin + kBand < p.end ? begin + kBand : p.end;
      for (int64_t j = 0; j * kPhases < p.columns; j += L) {
        const int64_t column = j * kStep + p.firstAcross, left = p.columns - j * kPhases;
        const Row row(column, p.width);
        T* const y = p.y + j * kPhases;
        inBlocks<V>(begin, end, [&](int64_t i, auto rows) {
          constexpr int kRows = decltype(rows)::kValue;
          if (row.isWhole()) block<kRows, true>(i, row, column, y, left);
          else block<kRows, false>(i, row, column, y, left);
        });
      }
    }
    if (p.activation > Activation::kRelu)
      finish<V>(p.activation, p.end - p.begin, p.columns, p.y + p.begin * p.yRow, p.yRow);
  }
};

template <class T, int kDown, int kAcross, int kStep, int kPhases>
void planes(const DepthwisePlane<T>& p) {
  Outputs<Vec<T>, kDown, kAcross, kStep, kPhases>(p).run();
}

// Weights of larger filters are read again for each row, which takes registers for the sums.
template <class T>
constexpr int kMostTaps = Vec<T>::kRegisters >= 32 ? 7 : 5;

template <class T>
void depthwise(const DepthwisePlane<T>& p) {
  if (p.phases == 2) {
    if (p.tapsAcross == 2) return (p.tapsDown == 1 ? planes<T, 1, 2, 1, 2> : planes<T, 2, 2, 1, 2>)(p);
    return (p.tapsDown == 2 ? planes<T, 2, 3, 1, 2> : planes<T, 3, 3, 1, 2>)(p);
  }
  if constexpr (kMostTaps<T> == 7) {
    if (p.tapsDown == 7) return planes<T, 7, 7, 1, 1>(p);
  }
  if (p.step == 1) return (p.tapsDown == 3 ? planes<T, 3, 3, 1, 1> : planes<T, 5, 5, 1, 1>)(p);
  return (p.tapsDown == 3 ? planes<T, 3, 3, 2, 1> : planes<T, 5, 5, 2, 1>)(p);
}

// The sums of kTaps × kTaps products, for the rows of taps [kFrom, kTo) at a time.
template <class V, int kTaps, int kStep, int kFrom, int kTo>
struct Slopes {
  using T = typename V::Element;
  using Row = Taps<V, kTaps, kStep>;
  static constexpr int L = V::kLanes;

  const DepthwiseSlopes<T>& p;

  template <int kRows, bool kWhole>
  void block(int64_t i, const Row& row, int64_t column, const T* g, int count, V (&acc)[kTo - kFrom][kTaps]) const {
    V slopes[kRows];
#pragma GCC unroll 8
    for (int t = 0; t < kRows; ++t) slopes[t] = loadUpTo<V>(g + (i + t) * p.columns, count);
    const int64_t top = i * kStep + p.firstDown;
#pragma GCC unroll 16
    for (int u = kFrom; u < (kRows - 1) * kStep + kTo; ++u) {
      if (top + u < 0 || top + u >= p.height) continue;
      V taps[2 * Row::kPairs];
      row.template read<kWhole>(p.x + (top + u) * p.width + column, taps);
#pragma GCC unroll 8
      for (int t = 0; t < kRows; ++t) {
        const int r = u - t * kStep;
        if (r < kFrom || r >= kTo) continue;
#pragma GCC unroll 8
        for (int s = 0; s < kTaps; ++s) acc[r - kFrom][s] = plusProduct(acc[r - kFrom][s], taps[s], slopes[t]);
      }
    }
  }

  void run() const {
    V acc[kTo - kFrom][kTaps];
    T* const sums = p.sums + kFrom * kTaps * L;
#pragma GCC unroll 8
    for (int r = 0; r < kTo - kFrom; ++r) {
#pragma GCC unroll 8
      for (int s = 0; s < kTaps; ++s) acc[r][s] = V::load(sums + (r * kTaps + s) * L);
    }
    for (int64_t j = 0; j < p.columns; j += L) {
      const int64_t column = j * kStep + p.firstAcross;
      const int count = p.columns - j < L ? static_cast<int>(p.columns - j) : L;
      const Row row(column, p.width);
      inBlocks<V>(p.begin, p.end, [&](int64_t i, auto rows) {
        constexpr int kRows = decltype(rows)::kValue;
        if (row.isWhole()) block<kRows, true>(i, row, column, p.g + j, count, acc);
        else block<kRows, false>(i, row, column, p.g + j, count, acc);
      });
    }
#pragma GCC unroll 8
    for (int r = 0; r < kTo - kFrom; ++r) {
#pragma GCC unroll 8
      for (int s = 0; s < kTaps; ++s) acc[r][s].store(sums + (r * kTaps + s) * L);
    }
  }
};

// All rows of taps at once where their sums find registers, else one after the other.
template <class T, int kTaps, int kStep, int kFrom = 0>
void slopes(const DepthwiseSlopes<T>& p) {
  using V = Vec<T>;
  constexpr int kAtOnce = V::kRegisters >= kTaps * kTaps + kTogether<V> + 2 ? kTaps : 1;
  Slopes<V, kTaps, kStep, kFrom, kFrom + kAtOnce>{p}.run();
  if constexpr (kFrom + kAtOnce < kTaps) slopes<T, kTaps, kStep, kFrom + kAtOnce>(p);
}

template <class T>
void depthwiseSlopes(const DepthwiseSlopes<T>& p) {
  if (p.step == 1) return (p.taps == 3 ? slopes<T, 3, 1> : slopes<T, 5, 1>)(p);
  return (p.taps == 3 ? slopes<T, 3, 2> : slopes<T, 5, 2>)(p);
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.depthwise = depthwise<T>;
  k.depthwiseTaps = kMostTaps<T>;
  k.depthwiseSlopes = depthwiseSlopes<T>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addDepthwise(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
