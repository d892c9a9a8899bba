// Packing: B into panels, A into tiles, in the order in which the product kernel reads them.
#include "gemm_tile.h"
#include "parts.h"

LATENT_ISA_BEGIN

// Columns of B that lie along the depth: squares of one vector's width are turned in registers, each line read once.
template <class T>
void packTurned(int64_t depth, int64_t columns, const T* b, int64_t bColumn, T* panel) {
  using V = Vec<T>;
  constexpr int L = V::kLanes, NR = Tile<V>::NR;
  for (int64_t p = 0; p < depth; p += L) {
    const int n = static_cast<int>(depth - p < L ? depth - p : L);
    for (int64_t j = 0; j < NR; j += L) {
      V square[L];
      for (int i = 0; i < L; ++i) {
        square[i] = j + i < columns ? loadUpTo<V>(b + (j + i) * bColumn + p, n) : V::zero();
      }
      V::transpose(square);
      for (int i = 0; i < n; ++i) square[i].store(panel + (p + i) * NR + j);
    }
  }
}

template <class T>
void packB(int64_t depth, int64_t columns, const T* b, int64_t bDepth, int64_t bColumn, T* panel) {
  using V = Vec<T>;
  constexpr int L = V::kLanes, NR = Tile<V>::NR;
  if (bDepth == 1) return packTurned(depth, columns, b, bColumn, panel);
  for (int64_t p = 0; p < depth; ++p) {
    for (int64_t j = 0; j < NR; j += L) {
      const T* source = b + p * bDepth + j * bColumn;
      T* target = panel + p * NR + j;
      const int64_t n = columns - j < L ? (columns - j > 0 ? columns - j : 0) : L;
      if (n == 0) {
        V::zero().store(target);
      } else if (bColumn == 1) {
        loadUpTo<V>(source, static_cast<int>(n)).store(target);
      } else {
        for (int64_t i = 0; i < L; ++i) target[i] = i < n ? source[i * bColumn] : T(0);
      }
    }
  }
}

template <class T>
void packA(int64_t rows, int64_t depth, const T* a, int64_t aRow, int64_t aDepth, T* tiles) {
  using V = Vec<T>;
  constexpr int MR = Tile<V>::MR;
  const Split split(rows, MR);
  for (int64_t t = 0; t < split.tiles; ++t) {
    const int64_t first = split.start(t), height = split.height(t);
    T* tile = tiles + t * MR * depth;
    for (int64_t p = 0; p < depth; ++p) {
      const T* source = a + first * aRow + p * aDepth;
      if (aRow == 1) {
        forEachVector<V>(height, [&](int64_t i, int n) { storeUpTo(loadUpTo<V>(source + i, n), tile + p * MR + i, n); });
      } else {
        for (int64_t i = 0; i < height; ++i) tile[p * MR + i] = source[i * aRow];
      }
    }
  }
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.packB = packB<T>;
  k.packA = packA<T>;
}

LATENT_ISA_END

void latent::LATENT_ISA::addGemmPack(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
