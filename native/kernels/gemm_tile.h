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

// B is packed in panels of one vector's width, and a tile takes several side by side. Its accumulators, one row of B and
// a broadcast of A must fit the registers: MR·ACROSS + ACROSS + 1 of them. Loads are the next limit: 8×3 takes 11 for 24
// products, 12×2 takes 14. Low tiles are wider, for few rows and for short depths, where starts and ends count.
template <class V>
struct Tile {
  static constexpr int MR = V::kLanes == 1 ? 2 : (V::kRegisters == 32 ? 8 : 6);
  static constexpr int ACROSS = V::kLanes == 1 ? 4 : (V::kRegisters == 32 ? 3 : 2);
  static constexpr int LOW_MR = V::kLanes == 1 ? 1 : (V::kRegisters == 32 ? 6 : 2);
  static constexpr int LOW_ACROSS = 4;
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

// Rows or vectors shared out evenly over tiles of at most `most`: 9 rows of 8-row tiles are 5 + 4, not 8 + 1.
struct Split {
  int64_t tiles, least, larger;  // the first `larger` tiles have least + 1

  Split(int64_t all, int64_t most)
      : tiles((all + most - 1) / most), least(tiles == 0 ? 0 : all / tiles), larger(all - least * tiles) {}
  int64_t start(int64_t i) const { return i * least + (i < larger ? i : larger); }
  int64_t size(int64_t i) const { return i < larger ? least + 1 : least; }
};

LATENT_ISA_END
