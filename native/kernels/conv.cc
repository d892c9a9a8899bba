// Convolutions as products whose rows of pixels lie anywhere: a table says where each step of the depth begins.
#include "gemm_finish.h"
#include "gemm_tile.h"
#include "parts.h"

LATENT_ISA_BEGIN

template <class T>
struct ConvTile {
  int64_t depth;
  const T* weights;  // [depth][MR]
  const T* x;
  const int32_t* offsets;
  T* y;
  int64_t yRow;
  int columns;  // 1 .. kVectors·L
  const T* bias;
  bool relu;
};

// kRows × kVectors vectors of pixels, each one chain of fused multiply-adds over the depth.
template <class V, int kRows, int kVectors>
void convTile(const ConvTile<typename V::Element>& t) {
  using T = typename V::Element;
  constexpr int L = V::kLanes, MR = Tile<V>::MR;
  V acc[kRows][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    const V start = t.bias == nullptr ? V::zero() : V::set(t.bias[i]);
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) acc[i][j] = start;
  }
  const T* w = t.weights;
  const T* const x = t.x;
  const int32_t* const end = t.offsets + t.depth;
  for (const int32_t* at = t.offsets; at != end; ++at, w += MR) {
    const T* pixels = x + *at;
    V row[kVectors];
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) row[j] = V::load(pixels + j * L);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const V weight = V::set(w[i]);
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) acc[i][j] = plusProduct(acc[i][j], weight, row[j]);
    }
  }
  if (t.relu) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) acc[i][j] = reluOf(acc[i][j]);
    }
  }
  if (t.columns == kVectors * L) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) acc[i][j].store(t.y + i * t.yRow + j * L);
    }
  } else {
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) {
      const int present = presentOf<V>(t.columns - j * L);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) acc[i][j].storePart(t.y + i * t.yRow + j * L, present);
    }
  }
}

template <class T>
struct SlopeTile {
  int64_t depth;
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
  for (int i = 0; i < kRows; ++i) {
    rows[i] = t.x + t.offsets[i];
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) {
      acc[i][j] = t.accumulate ? V::load(t.out + i * t.outRow + j * L) : V::zero();
    }
  }
  const T* b = t.panels;
  for (int64_t p = 0; p < t.depth; ++p, b += L) {
    V row[kVectors];
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) row[j] = V::load(b + j * t.panel);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const V pixel = V::set(rows[i][p]);
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) acc[i][j] = plusProduct(acc[i][j], pixel, row[j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) acc[i][j].store(t.out + i * t.outRow + j * L);
  }
}

// Tiles by vectors across and height, as products have them.
template <class V>
struct ConvTiles {
  static constexpr int MR = Tile<V>::MR, ACROSS = Tile<V>::ACROSS;
  static constexpr int LOW_MR = Tile<V>::LOW_MR, LOW_ACROSS = Tile<V>::LOW_ACROSS;
  void (*values[LOW_ACROSS + 1][MR + 1])(const ConvTile<typename V::Element>&) = {};
  void (*slopes[LOW_ACROSS + 1][MR + 1])(const SlopeTile<typename V::Element>&) = {};

  constexpr ConvTiles() {
    add<MR, ACROSS, 1>();
    if constexpr (LOW_ACROSS > ACROSS) add<LOW_MR, LOW_ACROSS, ACROSS + 1>();
  }

 private:
  template <int kRows, int kVectors, int kLeast>
  constexpr void add() {
    values[kVectors][kRows] = convTile<V, kRows, kVectors>;
    slopes[kVectors][kRows] = slopeTile<V, kRows, kVectors>;
    if constexpr (kRows > 1) add<kRows - 1, kVectors, kLeast>();
    else if constexpr (kVectors > kLeast) add<kVectors - 1 <= ACROSS ? MR : LOW_MR, kVectors - 1, kLeast>();
  }
};

template <class V>
constexpr ConvTiles<V> kConvTiles;

template <class T>
void convBlock(const ConvBlock<T>& c) {
  using V = Vec<T>;
  constexpr int L = V::kLanes, MR = Tile<V>::MR;
  const bool low = c.rows <= Tile<V>::LOW_MR;
  const Split down(c.rows, MR), across((c.columns + L - 1) / L, low ? Tile<V>::LOW_ACROSS : Tile<V>::ACROSS);
  const auto run = [&](int64_t i, int64_t j) {
    const int64_t i0 = down.start(i), height = down.size(i), vectors = across.size(j), j0 = across.start(j) * L;
    const int64_t left = c.columns - j0, width = left < vectors * L ? left : vectors * L;
    T* y = c.y + i0 * c.yRow + j0;
    kConvTiles<V>.values[vectors][height]({c.depth, c.weights + i * MR * c.depth, c.x + j0, c.offsets, y, c.yRow,
                                           static_cast<int>(width), c.bias == nullptr ? nullptr : c.bias + i0,
                                           c.activation == Activation::kRelu});
    if (c.activation > Activation::kRelu) finish<V>(c.activation, height, width, y, c.yRow);
  };
  if (c.rowsOutside) {
    for (int64_t i = 0; i < down.tiles; ++i) {
      for (int64_t j = 0; j < across.tiles; ++j) run(i, j);
    }
  } else {
    for (int64_t j = 0; j < across.tiles; ++j) {
      for (int64_t i = 0; i < down.tiles; ++i) run(i, j);
    }
  }
}

template <class T>
void convSlopeBlock(const ConvSlopeBlock<T>& c) {
  using V = Vec<T>;
  constexpr int L = V::kLanes;
  const bool low = c.rows <= Tile<V>::LOW_MR;
  const Split down(c.rows, low ? Tile<V>::LOW_MR : Tile<V>::MR);
  const Split across(c.panels, low ? Tile<V>::LOW_ACROSS : Tile<V>::ACROSS);
  for (int64_t j = 0; j < across.tiles; ++j) {
    const int64_t panel = L * c.depth, j0 = across.start(j);
    for (int64_t i = 0; i < down.tiles; ++i) {
      const int64_t i0 = down.start(i);
      kConvTiles<V>.slopes[across.size(j)][down.size(i)]({c.depth, c.x, c.offsets + i0, c.gradient + j0 * panel, panel,
                                                         c.out + i0 * c.outRow + j0 * L, c.outRow, c.accumulate});
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
    // What is beyond the last vector is computed with it, and not stored.
#pragma GCC unroll 8
    for (int k = 0; k < kChains; ++k) {
      const int64_t unit = u + k < all ? u + k : all - 1, i = unit / across, j = unit % across * L;
      x[k] = c.x + i * c.xRow + j;
      y[k] = c.y + i * c.columns + j;
      present[k] = u + k < all ? presentOf<V>(c.columns - j) : 0;
    }
    V acc[kChains];
#pragma GCC unroll 8
    for (int k = 0; k < kChains; ++k) acc[k] = V::set(c.bias);
    for (int64_t t = 0; t < c.taps; ++t) {
      const V weight = V::set(c.weights[t]);
      const int64_t at = c.offsets[t];
#pragma GCC unroll 8
      for (int k = 0; k < kChains; ++k) acc[k] = plusProduct(acc[k], weight, V::load(x[k] + at));
    }
#pragma GCC unroll 8
    for (int k = 0; k < kChains; ++k) storeUpTo(relu ? reluOf(acc[k]) : acc[k], y[k], present[k]);
  }
  if (c.activation > Activation::kRelu) finish<V>(c.activation, 1, c.rows * c.columns, c.y, 0);
}

// Every second element: the even places of two vectors side by side.
#if defined(LATENT_ISA_AVX512)
inline Vec<float> evens(Vec<float> a, Vec<float> b) {
  const __m512i places = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  return {_mm512_permutex2var_ps(a.v, places, b.v)};
}
inline Vec<double> evens(Vec<double> a, Vec<double> b) {
  return {_mm512_permutex2var_pd(a.v, _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0), b.v)};
}
#elif defined(LATENT_ISA_AVX2)
inline Vec<float> evens(Vec<float> a, Vec<float> b) {
  const __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a.v, b.v, 0x88));
  return {_mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8))};
}
inline Vec<double> evens(Vec<double> a, Vec<double> b) {
  return {_mm256_permute4x64_pd(_mm256_unpacklo_pd(a.v, b.v), 0xd8)};
}
#elif defined(LATENT_ISA_NEON)
inline Vec<float> evens(Vec<float> a, Vec<float> b) { return {vuzp1q_f32(a.v, b.v)}; }
inline Vec<double> evens(Vec<double> a, Vec<double> b) { return {vuzp1q_f64(a.v, b.v)}; }
#else
template <class V>
inline V evens(V a, V) { return a; }
#endif

template <class T>
void copyEvery(int64_t count, const T* x, int64_t step, T* out) {
  using V = Vec<T>;
  constexpr int L = V::kLanes;
  int64_t i = 0;
  if (step == 1) {
    forEachVector<V>(count, [&](int64_t at, int n) { storeUpTo(loadUpTo<V>(x + at, n), out + at, n); });
    return;
  }
  if (step == 2) {
    // The last place that is read is odd, and so must not be the last there is.
    for (; i + L < count; i += L) evens(V::load(x + 2 * i), V::load(x + 2 * i + L)).store(out + i);
  }
  for (; i < count; ++i) out[i] = x[i * step];
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.convBlock = convBlock<T>;
  k.convSlopeBlock = convSlopeBlock<T>;
  k.convChannel = convChannel<T>;
  k.copyEvery = copyEvery<T>;
}

LATENT_ISA_END

void latent::LATENT_ISA::addConv(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
