// The transforms of Winograd's F(m × m, 3 × 3), of values whose channels lie in blocks: a pixel of a block is whole vectors, and a
// transform of tiles nothing but sums of them.
#include "gemm_finish.h"
#include "gemm_tile.h"
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

using V = Vec<float>;
constexpr int L = V::kLanes;

// A line of a tile: `in` is Bᵀ, from m + 2 inputs to the factors of as many products, and `out` is Aᵀ, from these to m outputs.
template <int kSize>
struct Transform;

template <>
struct Transform<2> {
  static constexpr int kWide = 4;
  LATENT_INLINE static void in(const V (&x)[4], V (&to)[4]) {
    to[0] = x[0] - x[2];
    to[1] = x[1] + x[2];
    to[2] = x[2] - x[1];
    to[3] = x[1] - x[3];
  }
  LATENT_INLINE static void out(const V (&p)[4], V (&to)[2]) {
    to[0] = p[0] + p[1] + p[2];
    to[1] = p[1] - p[2] - p[3];
  }
};

// Through the points 0, ±a, ±b and infinity.
template <>
struct Transform<4> {
  static constexpr int kWide = 6;
  static constexpr float a = static_cast<float>(kWinogradA), b = static_cast<float>(kWinogradB);

  LATENT_INLINE static void in(const V (&x)[6], V (&to)[6]) {
    const V product = V::set(a * a * b * b), sum = V::set(-(a * a + b * b));
    to[0] = plusProduct(plusProduct(x[4], sum, x[2]), product, x[0]);
    to[5] = plusProduct(plusProduct(x[5], sum, x[3]), product, x[1]);
    const auto both = [&](float point, float other, V& plus, V& minus) LATENT_INLINE {
      const V square = V::set(-other * other);
      const V even = plusProduct(x[4], square, x[2]), odd = plusProduct(x[3], square, x[1]);
      plus = plusProduct(even, V::set(point), odd);
      minus = plusProduct(even, V::set(-point), odd);
    };
    both(a, b, to[1], to[2]);
    both(b, a, to[3], to[4]);
  }
  LATENT_INLINE static void out(const V (&p)[6], V (&to)[4]) {
    const V sumA = p[1] + p[2], sumB = p[3] + p[4], differenceA = p[1] - p[2], differenceB = p[3] - p[4];
    to[0] = p[0] + sumA + sumB;
    to[1] = plusProduct(V::set(a) * differenceA, V::set(b), differenceB);
    to[2] = plusProduct(V::set(a * a) * sumA, V::set(b * b), sumB);
    to[3] = plusProduct(plusProduct(p[5], V::set(a * a * a), differenceA), V::set(b * b * b), differenceB);
  }
};

// `rows` × `columns` of the pixels are there, and zeros beyond.
template <int kSize, bool kIsWhole>
void inputTile(const float* x, int64_t xRow, int64_t rows, int64_t columns, float* out, int64_t position) {
  constexpr int kWide = Transform<kSize>::kWide;
  V half[kWide][kWide];
#pragma GCC unroll 8
  for (int j = 0; j < kWide; ++j) {
    V column[kWide], to[kWide];
#pragma GCC unroll 8
    for (int i = 0; i < kWide; ++i)
      column[i] = kIsWhole || (i < rows && j < columns) ? V::load(x + i * xRow + j * kBlock) : V::zero();
    Transform<kSize>::in(column, to);
#pragma GCC unroll 8
    for (int i = 0; i < kWide; ++i) half[i][j] = to[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < kWide; ++i) {
    V to[kWide];
    Transform<kSize>::in(half[i], to);
#pragma GCC unroll 8
    for (int j = 0; j < kWide; ++j, out += position) to[j].store(out);
  }
}

template <int kSize>
void inputTiles(const WinogradInput& w) {
  constexpr int kWide = Transform<kSize>::kWide;
  for (int64_t t = 0; t < w.tiles; ++t) {
    const float* const x = w.x + t * kSize * kBlock;
    const int64_t columns = w.columns - t * kSize;
    const auto tile = w.rows >= kWide && columns >= kWide ? inputTile<kSize, true> : inputTile<kSize, false>;
    for (int64_t v = 0; v < kBlock; v += L) tile(x + v, w.xRow, w.rows, columns, w.out + t * kBlock + v, w.position);
  }
}

template <int kSize>
void outputTile(const WinogradOutput& w, int64_t t, int64_t v) {
  constexpr int kWide = Transform<kSize>::kWide;
  const float* from = w.sums + t * kBlock + v;
  const int64_t left = t * kSize, columns = w.columns - left;
  V half[kSize][kWide];
#pragma GCC unroll 8
  for (int j = 0; j < kWide; ++j) {
    V column[kWide], to[kSize];
#pragma GCC unroll 8
    for (int i = 0; i < kWide; ++i) column[i] = V::load(from + (i * kWide + j) * w.position);
    Transform<kSize>::out(column, to);
#pragma GCC unroll 8
    for (int i = 0; i < kSize; ++i) half[i][j] = to[i];
  }
  const V bias = w.bias == nullptr ? V::zero() : V::load(w.bias + v), low = V::set(w.low), high = V::set(w.high);
#pragma GCC unroll 8
  for (int i = 0; i < kSize; ++i) {
    if (i >= w.rows) return;
    V to[kSize];
    Transform<kSize>::out(half[i], to);
#pragma GCC unroll 8
    for (int j = 0; j < kSize; ++j) {
      if (j >= columns) break;
      const int64_t at = (left + j) * kBlock + v;
      V sum = to[j] + bias;
      if (w.residual != nullptr) sum = sum + V::load(w.residual + i * w.residualRow + at);
      min(high, max(low, sum)).store(w.y + i * w.yRow + at);
    }
  }
}

template <int kSize>
void outputTiles(const WinogradOutput& w) {
  for (int64_t t = 0; t < w.tiles; ++t) {
    for (int64_t v = 0; v < kBlock; v += L) outputTile<kSize>(w, t, v);
  }
}

// A line of a block of filters, in float64: G, from its taps to the factors of as many products. These loops have no form of their
// own for vectors, for the compiler finds one.
using Line = double[kBlock];

void add(Line& to, double factor, const Line& from) {
  for (int64_t k = 0; k < kBlock; ++k) to[k] += factor * from[k];
}

void factorsOf(int size, const Line (&taps)[3], Line* out) {
  // The taps' polynomial at a point.
  const auto at = [&](Line& to, double point, double scale) {
    for (int64_t k = 0; k < kBlock; ++k) to[k] = taps[0][k] / scale;
    add(to, point / scale, taps[1]);
    add(to, point * point / scale, taps[2]);
  };
  if (size == 2) {
    at(out[0], 0, 1);
    at(out[1], 1, 2);
    at(out[2], -1, 2);
  } else {
    constexpr double a = kWinogradA, b = kWinogradB, scaleA = 2 * a * a * (a * a - b * b),
                     scaleB = 2 * b * b * (b * b - a * a);
    at(out[0], 0, a * a * b * b);
    at(out[1], a, scaleA);
    at(out[2], -a, scaleA);
    at(out[3], b, scaleB);
    at(out[4], -b, scaleB);
  }
  for (int64_t k = 0; k < kBlock; ++k) out[size + 1][k] = taps[2][k];
}

void winogradFilters(int size, const float* taps, float* out, int64_t position) {
  const int wide = size + 2;
  Line half[6][3], whole[6];
  for (int s = 0; s < 3; ++s) {
    Line column[3];
    for (int r = 0; r < 3; ++r) {
      for (int64_t k = 0; k < kBlock; ++k) column[r][k] = static_cast<double>(taps[(r * 3 + s) * kBlock + k]);
    }
    factorsOf(size, column, whole);
    for (int i = 0; i < wide; ++i) {
      for (int64_t k = 0; k < kBlock; ++k) half[i][s][k] = whole[i][k];
    }
  }
  for (int i = 0; i < wide; ++i) {
    factorsOf(size, half[i], whole);
    for (int j = 0; j < wide; ++j, out += position) {
      for (int64_t k = 0; k < kBlock; ++k) out[k] = static_cast<float>(whole[j][k]);
    }
  }
}

void winogradInput(const WinogradInput& w) { (w.size == 2 ? inputTiles<2> : inputTiles<4>)(w); }

void winogradOutput(const WinogradOutput& w) {
  (w.size == 2 ? outputTiles<2> : outputTiles<4>)(w);
  finish<V>(w.activation, w.rows, w.columns * kBlock, w.y, w.yRow);
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addWinograd(KernelTable& table) {
  table.winograd = {winogradInput, winogradOutput, winogradFilters};
}
