// The conventions of one instruction set's product kernels: the sizes of tiles, and how rows are shared out.
#pragma once

#include "vec.h"

namespace latent::LATENT_ISA {
namespace {

// B is packed in panels of one vector's width, and a tile takes several side by side. Its accumulators, a row of B or a
// column of A, whichever is fewer, and one of the other must fit the registers. Loads are the next limit: 8×3 takes 11 for
// 24 products, 12×2 takes 14. Lower tiles are wider, for few rows and for short depths, where starts and ends count.
template <class V>
struct Tile {
  static constexpr int MR = V::kLanes == 1 ? 2 : (V::kRegisters == 32 ? 8 : 6);
  static constexpr int ACROSS = V::kLanes == 1 ? 4 : (V::kRegisters == 32 ? 3 : 2);
  static constexpr int WIDEST = 4;
  // Few rows of A in place over B in place, of which each row is on another page.
  static constexpr int WIDEST_IN_PLACE = 8, FEW_ROWS = 3;

  // The most rows of a tile of so many vectors.
  static constexpr int rowsBeside(int vectors) {
    int rows = MR;
    while (rows > 1 && rows * vectors + (rows < vectors ? rows : vectors) + 1 > V::kRegisters) --rows;
    return rows;
  }
  // The most vectors, up to `widest`, of a tile of so many rows; of a full one where there are more rows than it has.
  static constexpr int acrossFor(int64_t rows, int widest = WIDEST) {
    int vectors = widest;
    while (vectors > ACROSS && rowsBeside(vectors) < rows) --vectors;
    return vectors;
  }
  // The largest tile, and of several the widest.
  static constexpr int shortAcross() {
    int vectors = WIDEST;
    while (vectors * rowsBeside(vectors) < MR * ACROSS) --vectors;
    return vectors;
  }
  static constexpr int largest() {
    int vectors = 0;
    for (int v = 1; v <= WIDEST_IN_PLACE; ++v) vectors = v * rowsBeside(v) > vectors ? v * rowsBeside(v) : vectors;
    return vectors * V::kLanes;
  }
};

constexpr int64_t kLine = 64;

// Into the second cache, for what is used soon but not next.
inline void fetch(const void* p) { __builtin_prefetch(p, 0, 2); }
inline void fetchToWrite(const void* p) { __builtin_prefetch(p, 1, 3); }

// acc + a·b, rounded once, written over acc's register. Left to itself, GCC writes such a sum over one of the factors,
// copies it back, and runs out of registers.
#if defined(LATENT_ISA_AVX512)
inline Vec<float> plusProduct(Vec<float> acc, Vec<float> a, Vec<float> b) {
  __m512 sum = acc.v;
  asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a.v), "v"(b.v));
  return {sum};
}
inline Vec<double> plusProduct(Vec<double> acc, Vec<double> a, Vec<double> b) {
  __m512d sum = acc.v;
  asm("vfmadd231pd %2, %1, %0" : "+v"(sum) : "v"(a.v), "v"(b.v));
  return {sum};
}
#elif defined(LATENT_ISA_AVX2)
inline Vec<float> plusProduct(Vec<float> acc, Vec<float> a, Vec<float> b) {
  __m256 sum = acc.v;
  asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a.v), "x"(b.v));
  return {sum};
}
inline Vec<double> plusProduct(Vec<double> acc, Vec<double> a, Vec<double> b) {
  __m256d sum = acc.v;
  asm("vfmadd231pd %2, %1, %0" : "+x"(sum) : "x"(a.v), "x"(b.v));
  return {sum};
}
#else
template <class V>
inline V plusProduct(V acc, V a, V b) {
  return fma(a, b, acc);
}
#endif

// Makes the compiler forget what it knows of a value in a register. Otherwise GCC keeps each sum of a stride and a
// displacement in a register of its own, of which there are too few, and computes the last value of a loop's pointers again
// after the loop.
template <class T>
LATENT_INLINE inline void hide(T& x) {
#if defined(__GNUC__)
  asm("" : "+r"(x));
#else
  (void)x;
#endif
}

// Up to eight lines that lie equally far apart. Addresses are a base, a stride times 1, 2, 4 or 8, and a displacement: two bases
// and the strides of one and three lines reach all of them, and one addition moves each base.
template <int kLines>
struct Lines {
  static_assert(kLines <= 8, "no base reaches further");
  static constexpr int kUpper = 5;
  const char *low, *high;
  int64_t one, three;

  Lines(const void* first, int64_t apart)
      : low(static_cast<const char*>(first)), high(low + (kLines > kUpper ? kUpper * apart : 0)), one(apart),
        three(3 * apart) {}
  LATENT_INLINE const char* at(int i) const {
    switch (i) {
      case 0: return low;
      case 1: return low + one;
      case 2: return low + 2 * one;
      case 3: return low + three;
      case 4: return low + 4 * one;
      case 5: return high;
      case 6: return high + one;
      default: return high + 2 * one;
    }
  }
  LATENT_INLINE void move(int64_t bytes) {
    low += bytes;
    if (kLines > kUpper) high += bytes;
  }
  // Only what is in use: anything else would take a register.
  LATENT_INLINE void hideStrides() {
    if (kLines > 1) hide(one);
    if (kLines > 3) hide(three);
  }
  LATENT_INLINE void hideBases() {
    hide(low);
    if (kLines > kUpper) hide(high);
  }
};

// One step of the depth: what is fewer, the values of A or the vectors of B, is read first and stays in registers.
template <class V, int kRows, int kVectors, class OfA, class OfB>
LATENT_INLINE inline void addProducts(V (&acc)[kRows][kVectors], OfA&& ofA, OfB&& ofB) {
  if constexpr (kRows < kVectors) {
    V column[kRows];
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) column[i] = ofA(i);
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) {
      const V y = ofB(j);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) acc[i][j] = plusProduct(acc[i][j], column[i], y);
    }
  } else {
    V row[kVectors];
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) row[j] = ofB(j);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const V x = ofA(i);
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) acc[i][j] = plusProduct(acc[i][j], x, row[j]);
    }
  }
}

// How many of a vector's elements there are when `left` remain: all, some or none.
template <class V>
inline int presentOf(int64_t left) {
  return static_cast<int>(left < 0 ? 0 : (left < V::kLanes ? left : V::kLanes));
}

// Zeros: the initial values of a tile's rows when the product has no start and no bias.
template <class T>
alignas(kLine) constexpr T kNothing[4 * 16] = {};

// A tile's last vector may have fewer elements than lanes, `last` of them: sets with masks load and store that many. For
// the others a tile that ends within a vector is computed in an array of whole vectors, which these copy to and from.
template <class V>
LATENT_INLINE inline V loadOfTile(const typename V::Element* p, bool isLast, int last) {
  return V::kMasks && isLast ? V::loadPart(p, last) : V::load(p);
}

template <class V, int kRows, int kVectors>
LATENT_INLINE inline void storeTile(const V (&acc)[kRows][kVectors], typename V::Element* c, int64_t cRow, int last) {
  constexpr int L = V::kLanes;
  const bool whole = !V::kMasks || last == L;
  if (whole) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) acc[i][j].store(c + i * cRow + j * L);
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors - 1; ++j) acc[i][j].store(c + i * cRow + j * L);
      acc[i][kVectors - 1].storePart(c + i * cRow + (kVectors - 1) * L, last);
    }
  }
}

// Copies a tile into whole vectors; the lanes after `width` become zero.
template <class V>
inline void copyToWhole(int64_t rows, int64_t width, const typename V::Element* from, int64_t fromRow,
                        typename V::Element* to, int64_t toRow) {
  for (int64_t i = 0; i < rows; ++i) {
    forEachVector<V>(width, [&](int64_t j, int n) { loadUpTo<V>(from + i * fromRow + j, n).store(to + i * toRow + j); });
  }
}
template <class V>
inline void copyFromWhole(int64_t rows, int64_t width, const typename V::Element* from, int64_t fromRow,
                          typename V::Element* to, int64_t toRow) {
  for (int64_t i = 0; i < rows; ++i) {
    forEachVector<V>(width, [&](int64_t j, int n) { storeUpTo(V::load(from + i * fromRow + j), to + i * toRow + j, n); });
  }
}

template <class T>
inline void fetchTile(int64_t rows, int64_t width, const T* c, int64_t cRow) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < width; j += kLine / static_cast<int64_t>(sizeof(T))) fetchToWrite(c + i * cRow + j);
  }
}

// Rows or vectors shared out evenly over tiles of at most `most`: 9 rows of 8-row tiles are 5 + 4, not 8 + 1.
struct Split {
  int64_t tiles, least, larger;  // the first `larger` tiles have least + 1

  Split(int64_t all, int64_t most)
      : tiles((all + most - 1) / most), least(tiles == 0 ? 0 : all / tiles), larger(all - least * tiles) {}
  int64_t start(int64_t i) const { return i * least + (i < larger ? i : larger); }
  int64_t size(int64_t i) const { return i < larger ? least + 1 : least; }
};

}  // namespace
}  // namespace latent::LATENT_ISA
