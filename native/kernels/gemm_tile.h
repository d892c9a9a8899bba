// What the product kernels of one instruction set agree on: the sizes of tiles, and how rows are shared out.
#pragma once

#include "vec.h"

// Inlined before the accumulators are looked at: what is inlined later leaves them in memory.
#if defined(__GNUC__)
#define LATENT_INLINE __attribute__((always_inline))
#else
#define LATENT_INLINE
#endif

LATENT_ISA_BEGIN

// A tile's accumulators, one row of B and a broadcast of A must fit the registers: MR·PV + PV + 1 of them, or
// WIDE·2·PV + 2·PV + 1 for low tiles over two panels, which need fewer loads for each multiply-add.
template <class V>
struct Tile {
  // Where a broadcast is an instruction of its own, 8×3 loads 11 times for 24 products, and 12×2 would 14 times.
  static constexpr bool kNarrow = V::kRegisters == 32 && sizeof(V) == 16;
  static constexpr int PV = V::kLanes == 1 ? 4 : (kNarrow ? 3 : 2);  // vectors across a panel
  static constexpr int MR = V::kLanes == 1 ? 2 : (kNarrow ? 8 : (V::kRegisters == 32 ? 12 : 6));
  static constexpr int WIDE = V::kLanes == 1 ? 1 : (kNarrow ? 4 : (V::kRegisters == 32 ? 6 : 2));
  static constexpr int NR = PV * V::kLanes;
};

constexpr int64_t kLine = 64;
// How far ahead of its reading a stream is fetched, in bytes.
constexpr int64_t kStreamAhead = 2048;

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
inline V plusProduct(V acc, V a, V b) { return fma(a, b, acc); }
#endif

// Hides that a stride stays the same, so that GCC leaves its sum with a displacement to the addressing mode: it would
// keep every such sum in a register of its own, of which there are too few.
LATENT_INLINE inline void hide(int64_t& stride) {
#if defined(__GNUC__)
  asm("" : "+r"(stride));
#else
  (void)stride;
#endif
}

// How many of a vector's elements there are when `left` remain: all, some or none.
template <class V>
inline int presentOf(int64_t left) {
  return static_cast<int>(left < 0 ? 0 : (left < V::kLanes ? left : V::kLanes));
}

// Rows shared out evenly over tiles of at most `most`: 13 rows of 12-row tiles are 7 + 6, not 12 + 1.
struct Split {
  int64_t tiles, least, taller;  // the first `taller` tiles have least + 1 rows

  Split(int64_t rows, int64_t most)
      : tiles((rows + most - 1) / most), least(tiles == 0 ? 0 : rows / tiles), taller(rows - least * tiles) {}
  int64_t start(int64_t i) const { return i * least + (i < taller ? i : taller); }
  int64_t height(int64_t i) const { return i < taller ? least + 1 : least; }
};

LATENT_ISA_END
