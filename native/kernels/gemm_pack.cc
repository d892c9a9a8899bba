// Packing: B into panels, A into tiles, in the order in which the product kernel reads them.
#include "gemm_tile.h"
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

// Steps of the depth that packA takes from all rows in one go.
constexpr int64_t kPackedSteps = 16;

// Columns of B that lie along the depth: squares of one vector's width are turned in registers, each line read once.
template <class T>
void packTurned(int64_t depth, int64_t columns, const T* b, int64_t bColumn, T* panels) {
  using V = Vec<T>;
  constexpr int L = V::kLanes;
  for (int64_t j = 0; j < columns; j += L, panels += L * depth) {
    const int present = presentOf<V>(columns - j);
    for (int64_t p = 0; p < depth; p += L) {
      const int n = presentOf<V>(depth - p);
      V square[L];
      for (int i = 0; i < L; ++i) {
        square[i] = i < present ? loadUpTo<V>(b + (j + i) * bColumn + p, n) : V::zero();
      }
      V::transpose(square);
      for (int i = 0; i < n; ++i) square[i].store(panels + (p + i) * L);
    }
  }
}

template <class T>
void packB(int64_t depth, int64_t columns, const T* b, int64_t bDepth, int64_t bColumn, T* panels) {
  using V = Vec<T>;
  constexpr int L = V::kLanes;
  if (bDepth == 1) return packTurned(depth, columns, b, bColumn, panels);
  for (int64_t p = 0; p < depth; ++p) {
    for (int64_t j = 0; j < columns; j += L) {
      const T* source = b + p * bDepth + j * bColumn;
      T* target = panels + (j / L * depth + p) * L;
      const int n = presentOf<V>(columns - j);
      if (bColumn == 1) {
        loadUpTo<V>(source, n).store(target);
      } else {
        for (int i = 0; i < L; ++i) target[i] = i < n ? source[i * bColumn] : T(0);
      }
    }
  }
}

template <class T>
void packA(int64_t rows, int64_t depth, const T* a, int64_t aRow, int64_t aDepth, T* tiles) {
  using V = Vec<T>;
  constexpr int MR = Tile<V>::MR;
  const Split split(rows, MR);
  // A few steps of the depth for all tiles, then the next: their lines and pages are read once.
  for (int64_t p0 = 0; p0 < depth; p0 += kPackedSteps) {
    const int64_t p1 = p0 + kPackedSteps < depth ? p0 + kPackedSteps : depth;
    for (int64_t t = 0; t < split.tiles; ++t) {
      const int64_t first = split.start(t), height = split.size(t);
      T* tile = tiles + t * MR * depth;
      const T* source = a + first * aRow;
      if (aRow == 1 && height == MR) {
        for (int64_t p = p0; p < p1; ++p) {
          for (int i = 0; i < MR; ++i) tile[p * MR + i] = source[p * aDepth + i];
        }
      } else {
        for (int64_t p = p0; p < p1; ++p) {
          for (int64_t i = 0; i < height; ++i) tile[p * MR + i] = source[p * aDepth + i * aRow];
        }
      }
    }
  }
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.packB = packB<T>;
  k.packA = packA<T>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addGemmPack(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
