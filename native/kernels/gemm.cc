// Matrix products in the shape of GotoBLAS and BLIS: B in panels of NR columns, an MR×NR tile of C in registers.
//
// Each element of C is one chain of fused multiply-adds over the depth, in order, whatever tile it falls into: so
// neither the split of the rows nor the number of threads shows in the result.
#include "lanes.h"
#include "parts.h"

LATENT_ISA_BEGIN

// Tile sizes. Accumulators, one row of B and one broadcast of A must fit the registers: MR·NV + NV + 1.
template <class V>
struct Tile {
  // Where a broadcast is an instruction of its own, 8×3 loads 11 times for 24 products, and 12×2 would 14 times.
  static constexpr bool kNarrow = V::kRegisters == 32 && sizeof(V) == 16;
  static constexpr int NV = V::kLanes == 1 ? 4 : (kNarrow ? 3 : 2);
  static constexpr int MR = V::kLanes == 1 ? 2 : (kNarrow ? 8 : (V::kRegisters == 32 ? 12 : 6));
  static constexpr int NR = NV * V::kLanes;
};

template <class T>
struct TileArgs {
  int64_t depth;
  const T* a;
  int64_t aRow;
  const T* b;
  T* c;
  int64_t cRow;
  int columns;  // of the panel, 1..NR
  bool accumulate;
  const T* bias;
  Activation activation;
};

template <class V, int kRows>
void tile(const TileArgs<typename V::Element>& t) {
  using T = typename V::Element;
  constexpr int NV = Tile<V>::NV, L = V::kLanes;
  V acc[kRows][NV];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) acc[i][j] = V::zero();
  }
  const T* b = t.b;
  // One base pointer for every three rows: the other two are reached by the addressing mode, not by a register.
  const T* base[(kRows + 2) / 3];
#pragma GCC unroll 6
  for (int g = 0; g < (kRows + 2) / 3; ++g) base[g] = t.a + 3 * g * t.aRow;
  const int64_t aRow = t.aRow, aRow2 = 2 * t.aRow;
  for (int64_t p = 0; p < t.depth; ++p) {
    V panel[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) panel[j] = V::load(b + j * L);
    b += Tile<V>::NR;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const V x = V::set(base[i / 3][i % 3 == 0 ? 0 : (i % 3 == 1 ? aRow : aRow2)]);
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) acc[i][j] = fma(x, panel[j], acc[i][j]);
    }
#pragma GCC unroll 6
    for (int g = 0; g < (kRows + 2) / 3; ++g) ++base[g];
  }
  const bool whole = t.columns == Tile<V>::NR;
#pragma GCC unroll 4
  for (int j = 0; j < NV; ++j) {
    const int left = t.columns - j * L;
    if (left <= 0) break;
    const int n = whole || left > L ? L : left;
    const V bias = t.bias == nullptr ? V::zero() : loadUpTo<V>(t.bias + j * L, n);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      T* c = t.c + i * t.cRow + j * L;
      V y = acc[i][j];
      if (t.accumulate) y = loadUpTo<V>(c, n) + y;
      if (t.bias != nullptr) y = y + bias;
      if (t.activation == Activation::kRelu) y = max(V::zero(), y);
      storeUpTo(y, c, n);
    }
  }
}

template <class V, int kRows>
struct TileTable {
  static void into(void (**table)(const TileArgs<typename V::Element>&)) {
    table[kRows] = tile<V, kRows>;
    TileTable<V, kRows - 1>::into(table);
  }
};
template <class V>
struct TileTable<V, 0> {
  static void into(void (**)(const TileArgs<typename V::Element>&)) {}
};

template <class T>
void gemmBlock(int64_t rows, int64_t columns, int64_t depth, const T* a, int64_t aRow, const T* b, T* c, int64_t cRow,
               bool accumulate, const T* bias, Activation activation) {
  using V = Vec<T>;
  constexpr int MR = Tile<V>::MR, NR = Tile<V>::NR;
  void (*tiles[MR + 1])(const TileArgs<T>&);
  TileTable<V, MR>::into(tiles);
  // Rows are shared out evenly: 13 rows of a 12-row tile are 7 + 6, not 12 + 1.
  const int64_t count = (rows + MR - 1) / MR;
  for (int64_t j = 0; j < columns; j += NR) {
    const int64_t left = columns - j;
    int64_t row = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t next = rows * (i + 1) / count;
      tiles[next - row]({depth, a + row * aRow, aRow, b + j * depth, c + row * cRow + j, cRow,
                         static_cast<int>(left < NR ? left : NR), accumulate, bias == nullptr ? nullptr : bias + j,
                         activation});
      row = next;
    }
  }
}

template <class T>
void packB(int64_t depth, int64_t columns, const T* b, int64_t bDepth, int64_t bColumn, T* panel) {
  using V = Vec<T>;
  constexpr int NR = Tile<V>::NR;
  if (bColumn == 1 && columns == NR) {
    for (int64_t p = 0; p < depth; ++p) {
      for (int j = 0; j < NR; j += V::kLanes) V::load(b + p * bDepth + j).store(panel + p * NR + j);
    }
    return;
  }
  // Columns of B that lie along the depth are read line by line, a few lines at a time, so that each is read once.
  constexpr int64_t kStrip = 16;
  for (int64_t p0 = 0; p0 < depth; p0 += kStrip) {
    const int64_t p1 = p0 + kStrip < depth ? p0 + kStrip : depth;
    for (int64_t j = 0; j < columns; ++j) {
      const T* source = b + j * bColumn;
      for (int64_t p = p0; p < p1; ++p) panel[p * NR + j] = source[p * bDepth];
    }
    for (int64_t p = p0; p < p1; ++p) {
      for (int64_t j = columns; j < NR; ++j) panel[p * NR + j] = T(0);
    }
  }
}

template <class T>
void packA(int64_t rows, int64_t depth, const T* a, int64_t aRow, int64_t aDepth, T* block) {
  constexpr int64_t kStrip = 16;
  for (int64_t i0 = 0; i0 < rows; i0 += kStrip) {
    const int64_t i1 = i0 + kStrip < rows ? i0 + kStrip : rows;
    for (int64_t p = 0; p < depth; ++p) {
      for (int64_t i = i0; i < i1; ++i) block[i * depth + p] = a[i * aRow + p * aDepth];
    }
  }
}

template <class V, int kColumns>
void dotTile(int64_t depth, const typename V::Element* a, const typename V::Element* b, int64_t bRow,
             typename V::Element* y) {
  using T = typename V::Element;
  V acc[kColumns];
#pragma GCC unroll 4
  for (int j = 0; j < kColumns; ++j) acc[j] = V::zero();
  forEachVector<V>(depth, [&](int64_t p, int n) {
    const V x = loadUpTo<V>(a + p, n);
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; ++j) acc[j] = fma(x, loadUpTo<V>(b + j * bRow + p, n), acc[j]);
  });
  for (int j = 0; j < kColumns; ++j) y[j] = foldLanes(acc[j], [](T p, T q) { return p + q; });
}

template <class T>
void dotRows(int64_t n, int64_t depth, const T* a, const T* b, int64_t bRow, T* y) {
  using V = Vec<T>;
  int64_t j = 0;
  for (; j + 4 <= n; j += 4) dotTile<V, 4>(depth, a, b + j * bRow, bRow, y + j);
  for (; j < n; ++j) dotTile<V, 1>(depth, a, b + j * bRow, bRow, y + j);
}

template <class T>
void fill(FloatKernels<T>& k) {
  using V = Vec<T>;
  // A block of B's panel (kc × nr) streams from L2; a block of A (mc × kc) stays there. 512 × 96 floats are 192 KB,
  // under half of the smallest L2 that these sets are found with.
  k.gemmShape = {Tile<V>::MR, Tile<V>::NR, sizeof(T) == 4 ? 512 : 256, 96};
  k.packB = packB<T>;
  k.packA = packA<T>;
  k.gemmBlock = gemmBlock<T>;
  k.dotRows = dotRows<T>;
}

double fmaPeak(int64_t rounds, double* flops) {
  using V = Vec<float>;
  constexpr int kChains = 12;
  V acc[kChains];
  const V x = V::set(0.9999f), y = V::set(1e-4f);
  for (int i = 0; i < kChains; ++i) acc[i] = V::set(1.0f + static_cast<float>(i));
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = fma(acc[i], x, y);
  }
  double total = 0;
  for (int i = 0; i < kChains; ++i) total += foldLanes(acc[i], [](float p, float q) { return p + q; });
  *flops = 2.0 * kChains * V::kLanes * static_cast<double>(rounds);
  return total;
}

LATENT_ISA_END

void latent::LATENT_ISA::addGemm(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
  table.fmaPeak = fmaPeak;
}
