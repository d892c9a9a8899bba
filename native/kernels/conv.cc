// Convolutions as products whose rows of pixels lie anywhere: a table says where each step of the depth begins.
#include "gemm_finish.h"
#include "gemm_tile.h"
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

// Where a tile's pixels come from: places that a table tells, whatever is read from there being kept for the tiles below it,
// or what one of these kept.
enum class Pixels { kPlaces, kPlacesKept, kKept };

template <class T>
struct ConvTile {
  int64_t depth;
  const T* weights;  // [depth][MR]
  const T* x;
  const int32_t* offsets;
  T* panel;  // [depth][kVectors·L], aligned
  T* y;
  int64_t yRow;
  int last;         // elements of the last vector
  bool accumulate;  // y holds the chains before; else it starts from the bias, else from zero
  const T* bias;
  bool relu;
};

// kRows × kVectors vectors of pixels, one chain of fused multiply-adds each.
template <class V, int kRows, int kVectors, Pixels kPixels>
void convTile(const ConvTile<typename V::Element>& t) {
  using T = typename V::Element;
  constexpr int L = V::kLanes, MR = Tile<V>::MR;
  V acc[kRows][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    const V start = t.bias == nullptr || t.accumulate ? V::zero() : V::set(t.bias[i]);
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) acc[i][j] = start;
  }
  const T* w = t.weights;
  const T* const x = t.x;
  const int32_t* at = t.offsets;
  T* panel = t.panel;
  const auto step = [&](int u) LATENT_INLINE {
    const T* pixels = kPixels == Pixels::kKept ? panel + u * kVectors * L : x + at[u];
    addProducts<V, kRows, kVectors>(
        acc, [&](int i) LATENT_INLINE { return V::set(w[u * MR + i]); },
        [&](int j) LATENT_INLINE {
          const V values = V::load(pixels + j * L);
          if (kPixels == Pixels::kPlacesKept) values.store(panel + (u * kVectors + j) * L);
          return values;
        });
  };
  constexpr int kSteps = 4;
  const auto move = [&](int steps) LATENT_INLINE {
    w += steps * MR;
    if (kPixels != Pixels::kKept) at += steps;
    if (kPixels != Pixels::kPlaces) panel += steps * kVectors * L;
  };
  int64_t p = t.depth;
  for (; p >= kSteps; p -= kSteps) {
#pragma GCC unroll 4
    for (int u = 0; u < kSteps; ++u) step(u);
    move(kSteps);
  }
  for (; p > 0; --p) {
    step(0);
    move(1);
  }
  if (t.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) {
        acc[i][j] = loadOfTile<V>(t.y + i * t.yRow + j * L, j == kVectors - 1, t.last) + acc[i][j];
      }
    }
  }
  if (t.relu) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) acc[i][j] = reluOf(acc[i][j]);
    }
  }
  storeTile(acc, t.y, t.yRow, t.last);
}

template <class T>
struct SlopeTile {
  int64_t depth, period, chain;
  const T* x;
  const int32_t* offsets;  // one per row
  const T* panels;
  int64_t panel;
  T* out;
  int64_t outRow;
  bool accumulate;
};

// kRows places of the weights × kVectors vectors of channels, summed over pixels.
template <class V, int kRows, int kVectors>
void slopeTile(const SlopeTile<typename V::Element>& t) {
  using T = typename V::Element;
  constexpr int L = V::kLanes;
  V acc[kRows][kVectors];
  const T* rows[kRows];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) rows[i] = t.x + t.offsets[i];
  const T* b = t.panels;
  bool accumulate = t.accumulate;
  int64_t next = t.period;  // where a chain begins in any case
  for (int64_t p = 0; p < t.depth;) {
    int64_t end = p + t.chain < next ? p + t.chain : next;
    if (end == next) next += t.period;
    if (end > t.depth) end = t.depth;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) {
        fetchToWrite(t.out + i * t.outRow + j * L);
        acc[i][j] = V::zero();
      }
    }
    for (; p < end; ++p, b += L) {
      addProducts<V, kRows, kVectors>(
          acc, [&](int i) LATENT_INLINE { return V::set(rows[i][p]); },
          [&](int j) LATENT_INLINE { return V::load(b + j * t.panel); });
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) {
        T* const out = t.out + i * t.outRow + j * L;
        (accumulate ? V::load(out) + acc[i][j] : acc[i][j]).store(out);
      }
    }
    accumulate = true;
  }
}

// Tiles by vectors across and height, as products have them.
template <class V>
struct ConvTiles {
  static constexpr int ACROSS = Tile<V>::ACROSS, WIDEST = Tile<V>::WIDEST;
  using Values = void (*)(const ConvTile<typename V::Element>&);
  Values values[3][WIDEST + 1][Tile<V>::MR + 1] = {};
  void (*slopes[WIDEST + 1][Tile<V>::MR + 1])(const SlopeTile<typename V::Element>&) = {};

  constexpr ConvTiles() { add<Tile<V>::rowsBeside(WIDEST), WIDEST>(); }

 private:
  template <int kRows, int kVectors>
  constexpr void add() {
    values[static_cast<int>(Pixels::kPlaces)][kVectors][kRows] = convTile<V, kRows, kVectors, Pixels::kPlaces>;
    if constexpr (kVectors <= ACROSS) {
      values[static_cast<int>(Pixels::kPlacesKept)][kVectors][kRows] = convTile<V, kRows, kVectors, Pixels::kPlacesKept>;
      values[static_cast<int>(Pixels::kKept)][kVectors][kRows] = convTile<V, kRows, kVectors, Pixels::kKept>;
    }
    slopes[kVectors][kRows] = slopeTile<V, kRows, kVectors>;
    if constexpr (kRows > 1) add<kRows - 1, kVectors>();
    else if constexpr (kVectors > 1) add<Tile<V>::rowsBeside(kVectors - 1), kVectors - 1>();
  }
};

template <class V>
constexpr ConvTiles<V> kConvTiles;

// Up to this depth a tile is mostly its outputs: these are written row by row.
constexpr int64_t kShallow = 64;

template <class T>
void convBlock(const ConvBlock<T>& c) {
  using V = Vec<T>;
  constexpr int L = V::kLanes, MR = Tile<V>::MR;
  const Split down(c.rows, MR), across((c.columns + L - 1) / L, Tile<V>::acrossFor(c.rows));
  int64_t depth;
  for (int64_t p = c.begin; p < c.end; p += depth) {
    const int64_t whole = c.period - p % c.period;
    depth = whole < c.chain ? whole : c.chain;
    if (depth > c.end - p) depth = c.end - p;
    const Activation activation = p + depth == c.depth ? c.activation : Activation::kNone;
    const auto tile = [&](int64_t i, int64_t j, Pixels pixels) {
      const int64_t vectors = across.size(j), j0 = across.start(j) * L, left = c.columns - j0;
      const int64_t width = left < vectors * L ? left : vectors * L;
      const int last = static_cast<int>(width - (vectors - 1) * L);
      const int64_t i0 = down.start(i), height = down.size(i);
      T* const y = c.y + i0 * c.yRow + j0;
      const auto compute = [&](T* to, int64_t toRow) {
        kConvTiles<V>.values[static_cast<int>(pixels)][vectors][height](
            {depth, c.weights + (i * c.depth + p) * MR, c.x + j0, c.offsets + p - c.begin, c.panel, to, toRow, last, p > 0,
             c.bias == nullptr ? nullptr : c.bias + i0, activation == Activation::kRelu});
      };
      if (V::kMasks || last == L) {
        if (p > 0) fetchTile(height, width, y, c.yRow);
        compute(y, c.yRow);
      } else {
        alignas(kLine) T whole[Tile<V>::largest()];
        if (p > 0) copyToWhole<V>(height, width, y, c.yRow, whole, vectors * L);
        compute(whole, vectors * L);
        copyFromWhole<V>(height, width, whole, vectors * L, y, c.yRow);
      }
      if (activation > Activation::kRelu) finish<V>(activation, height, width, y, c.yRow);
    };
    if (c.depth <= kShallow) {
      for (int64_t i = 0; i < down.tiles; ++i) {
        for (int64_t j = 0; j < across.tiles; ++j) tile(i, j, Pixels::kPlaces);
      }
      continue;
    }
    for (int64_t j = 0; j < across.tiles; ++j) {
      for (int64_t i = 0; i < down.tiles; ++i) {
        const Pixels kept = i == 0 ? Pixels::kPlacesKept : Pixels::kKept;
        tile(i, j, c.panel == nullptr || down.tiles == 1 ? Pixels::kPlaces : kept);
      }
    }
  }
}

template <class T>
void convSlopeBlock(const ConvSlopeBlock<T>& c) {
  using V = Vec<T>;
  constexpr int L = V::kLanes;
  const Split down(c.rows, Tile<V>::MR), across(c.panels, Tile<V>::acrossFor(c.rows));
  for (int64_t j = 0; j < across.tiles; ++j) {
    const int64_t panel = L * c.depth, j0 = across.start(j);
    for (int64_t i = 0; i < down.tiles; ++i) {
      const int64_t i0 = down.start(i);
      kConvTiles<V>.slopes[across.size(j)][down.size(i)]({c.depth, c.period, c.chain, c.x, c.offsets + i0,
                                                          c.gradient + j0 * panel, panel, c.out + i0 * c.outRow + j0 * L,
                                                          c.outRow, c.accumulate});
    }
  }
}

// Vectors of pixels that are computed together: as many chains hide the latency of one.
constexpr int kChains = 8;

template <class T>
void convChannel(const ConvChannel<T>& c) {
  using V = Vec<T>;
  constexpr int L = V::kLanes;
  const int64_t across = (c.columns + L - 1) / L, all = c.rows * across;
  const auto relu = c.activation == Activation::kRelu;
  for (int64_t u = 0; u < all; u += kChains) {
    const T* x[kChains];
    T* y[kChains];
    int present[kChains];
    // Elements beyond the last vector are computed with it, and not stored.
#pragma GCC unroll 8
    for (int k = 0; k < kChains; ++k) {
      const int64_t unit = u + k < all ? u + k : all - 1, i = unit / across, j = unit % across * L;
      x[k] = c.x + i * c.xRow + j;
      y[k] = c.y + i * c.columns + j;
      present[k] = u + k < all ? presentOf<V>(c.columns - j) : 0;
    }
    V acc[kChains], before[kChains];
#pragma GCC unroll 8
    for (int k = 0; k < kChains; ++k) {
      acc[k] = V::set(c.bias);
      before[k] = V::zero();
    }
    for (int64_t t = 0; t < c.taps;) {
      const int64_t end = c.taps - t < kChain ? c.taps : t + kChain;
      for (; t < end; ++t) {
        const V weight = V::set(c.weights[t]);
        const int64_t at = c.offsets[t];
#pragma GCC unroll 8
        for (int k = 0; k < kChains; ++k) acc[k] = plusProduct(acc[k], weight, V::load(x[k] + at));
      }
      if (t == c.taps) break;
#pragma GCC unroll 8
      for (int k = 0; k < kChains; ++k) {
        before[k] = before[k] + acc[k];
        acc[k] = V::zero();
      }
    }
    if (c.taps > kChain) {
#pragma GCC unroll 8
      for (int k = 0; k < kChains; ++k) acc[k] = before[k] + acc[k];
    }
#pragma GCC unroll 8
    for (int k = 0; k < kChains; ++k) storeUpTo(relu ? reluOf(acc[k]) : acc[k], y[k], present[k]);
  }
  if (c.activation > Activation::kRelu) finish<V>(c.activation, 1, c.rows * c.columns, c.y, 0);
}

// A vector of the n elements from x on, kStep apart; no other is read.
template <class V, int kStep>
V everyUpTo(const typename V::Element* x, int n) {
  constexpr int L = V::kLanes;
  if constexpr (kStep == 1) return loadUpTo<V>(x, n);
  // The last place that is read is even: the one after it may be nobody's.
  const int reach = 2 * n - 1;
  return evens(loadUpTo<V>(x, reach < L ? reach : L), loadUpTo<V>(reach > L ? x + L : x, reach > L ? reach - L : 0));
}

template <class V, int kStep>
void copyPaddedBy(int64_t rows, int64_t columns, int64_t before, int64_t inside, const typename V::Element* x, int64_t xRow,
                  typename V::Element* out) {
  using T = typename V::Element;
  constexpr int L = V::kLanes;
  const int64_t vectors = inside / L * L, after = columns - before - inside;
  const int rest = static_cast<int>(inside - vectors);
  for (int64_t i = 0; i < rows; ++i, x += xRow, out += columns) {
    for (int64_t j = 0; j < before; ++j) out[j] = T(0);
    T* const to = out + before;
    for (int64_t j = 0; j < vectors; j += L) everyUpTo<V, kStep>(x + kStep * j, L).store(to + j);
    if (rest > 0) everyUpTo<V, kStep>(x + kStep * vectors, rest).storePart(to + vectors, rest);
    for (int64_t j = 0; j < after; ++j) to[inside + j] = T(0);
  }
}

template <class T>
void copyPadded(int64_t rows, int64_t columns, int64_t before, int64_t inside, const T* x, int64_t xRow, int64_t step,
                T* out) {
  using V = Vec<T>;
  if (step == 1 || inside == 1) return copyPaddedBy<V, 1>(rows, columns, before, inside, x, xRow, out);
  if (step == 2) return copyPaddedBy<V, 2>(rows, columns, before, inside, x, xRow, out);
  for (int64_t i = 0; i < rows; ++i, x += xRow, out += columns) {
    T* const to = out + before;
    for (int64_t j = 0; j < before; ++j) out[j] = T(0);
    for (int64_t j = 0; j < inside; ++j) to[j] = x[j * step];
    for (int64_t j = inside; j < columns - before; ++j) to[j] = T(0);
  }
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.convBlock = convBlock<T>;
  k.convSlopeBlock = convSlopeBlock<T>;
  k.convChannel = convChannel<T>;
  k.copyPadded = copyPadded<T>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addConv(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
