// Products by dot products along the depth, both operands read in place: for few rows, where packing B would cost more
// than it saves, and for few columns, which would leave a panel's lanes empty.
#include "gemm_finish.h"
#include "gemm_tile.h"
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

// Accumulators, a vector of each row of A and one of B must fit the registers. Tiles of fewer columns may have more rows:
// the start and the end of a tile take most of the time of a short depth.
template <class V>
struct DotTile {
  static constexpr int ROWS = V::kRegisters == 32 ? 4 : 3;
  static constexpr int COLUMNS = V::kRegisters == 32 ? 6 : 4;
  static constexpr int MOST_ROWS = 6;
  static constexpr int rowsBeside(int columns) {
    return ROWS * COLUMNS / columns < MOST_ROWS ? ROWS * COLUMNS / columns : MOST_ROWS;
  }
};

// Tiles of up to so many rows take so many steps of the depth at once.
constexpr int kFewRows = 2, kUnrolled = 4;

template <class T>
struct DotArgs {
  int64_t depth;
  const T* a;
  int64_t aRow;
  const T* b;
  int64_t bColumn;
  const T* ahead;  // columns to fetch into the cache while these are used, bColumn apart
  int aheadColumns;
  T* c;
  int64_t cRow;
  const T* start;
  int64_t startRow;
  const T* bias;
};

template <class V, int kRows, int kColumns>
void dotTile(const DotArgs<typename V::Element>& t) {
  using T = typename V::Element;
  constexpr int L = V::kLanes, kSums = kRows * kColumns;
  V acc[kSums + 3];  // the last three fill up a group of four
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kColumns; ++j) {
      V& sum = acc[i * kColumns + j];
      if (t.start != nullptr) sum = V::first(t.start + i * t.startRow + j);
      else sum = t.bias != nullptr ? V::first(t.bias + j) : V::zero();
    }
  }
  const auto step = [&](int64_t p, int n) LATENT_INLINE {
    V x[kRows];
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) x[i] = loadUpTo<V>(t.a + i * t.aRow + p, n);
#pragma GCC unroll 8
    for (int j = 0; j < kColumns; ++j) {
      const V y = loadUpTo<V>(t.b + j * t.bColumn + p, n);
#pragma GCC unroll 6
      for (int i = 0; i < kRows; ++i) acc[i * kColumns + j] = plusProduct(acc[i * kColumns + j], x[i], y);
    }
  };
  // Several steps of a row or two, where addresses and the loop itself would take longer than the products.
  const auto stream = [&](int64_t from, int64_t count) LATENT_INLINE {
    constexpr int64_t kBytes = static_cast<int64_t>(sizeof(T));
    Lines<kRows> rows(t.a + from, t.aRow * kBytes);
    Lines<kColumns> columns(t.b + from, t.bColumn * kBytes);
    const int64_t times = count / (kUnrolled * L);
    for (int64_t i = 0; i < times; ++i) {
#pragma GCC unroll 4
      for (int u = 0; u < kUnrolled; ++u) {
        rows.hideStrides();
        columns.hideStrides();
        V x[kRows];
#pragma GCC unroll 6
        for (int r = 0; r < kRows; ++r) x[r] = V::load(reinterpret_cast<const T*>(rows.at(r)) + u * L);
#pragma GCC unroll 8
        for (int j = 0; j < kColumns; ++j) {
          const V y = V::load(reinterpret_cast<const T*>(columns.at(j)) + u * L);
#pragma GCC unroll 6
          for (int r = 0; r < kRows; ++r) acc[r * kColumns + j] = plusProduct(acc[r * kColumns + j], x[r], y);
        }
      }
      rows.move(kUnrolled * L * kBytes);
      columns.move(kUnrolled * L * kBytes);
      rows.hideBases();
      columns.hideBases();
    }
    return times * kUnrolled * L;
  };
  int64_t p = 0;
  const auto chain = [&]() LATENT_INLINE {
    const int64_t end = t.depth - p < kChain * L ? t.depth : p + kChain * L;
    if constexpr (kRows <= kFewRows) {
      if (t.aheadColumns == 0) p += stream(p, end - p);
    }
    for (; p + L <= end; p += L) {
      for (int q = 0; q < t.aheadColumns; ++q) fetch(t.ahead + q * t.bColumn + p);
      step(p, L);
    }
    if (p == end) return;
    step(p, static_cast<int>(end - p));
    p = end;
  };
  chain();
  if (p < t.depth) {
    V before[kSums];
#pragma GCC unroll 32
    for (int s = 0; s < kSums; ++s) before[s] = acc[s];
    while (p < t.depth) {
#pragma GCC unroll 32
      for (int s = 0; s < kSums; ++s) acc[s] = V::zero();
      chain();
#pragma GCC unroll 32
      for (int s = 0; s < kSums; ++s) before[s] = before[s] + acc[s];
    }
#pragma GCC unroll 32
    for (int s = 0; s < kSums; ++s) acc[s] = before[s];
  }
  T sums[kSums + 3];
#pragma GCC unroll 8
  for (int s = 0; s < kSums; s += 4) {
#pragma GCC unroll 4
    for (int i = kSums; i < s + 4; ++i) acc[i] = V::zero();
    V::sumFour(acc[s], acc[s + 1], acc[s + 2], acc[s + 3], sums + s);
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kColumns; ++j) t.c[i * t.cRow + j] = sums[i * kColumns + j];
  }
}

// Tiles by rows and columns.
template <class V>
struct DotTiles {
  static constexpr int COLUMNS = DotTile<V>::COLUMNS;
  void (*run[DotTile<V>::MOST_ROWS + 1][COLUMNS + 1])(const DotArgs<typename V::Element>&) = {};

  constexpr DotTiles() { add<DotTile<V>::rowsBeside(COLUMNS), COLUMNS>(); }

 private:
  template <int kRows, int kColumns>
  constexpr void add() {
    run[kRows][kColumns] = dotTile<V, kRows, kColumns>;
    if constexpr (kRows > 1) add<kRows - 1, kColumns>();
    else if constexpr (kColumns > 1) add<DotTile<V>::rowsBeside(kColumns - 1), kColumns - 1>();
  }
};

template <class V>
constexpr DotTiles<V> kDotTiles;

template <class T>
void dotBlock(const DotBlock<T>& d) {
  using V = Vec<T>;
  constexpr int ROWS = DotTile<V>::ROWS, COLUMNS = DotTile<V>::COLUMNS;
  const bool tall = d.rows > d.columns;
  const Split across(d.columns, COLUMNS);
  const int widest = across.tiles == 0 ? 1 : static_cast<int>(across.size(0));
  const Split down(d.rows, tall ? DotTile<V>::rowsBeside(widest) : ROWS);
  const auto run = [&](int64_t i, int64_t j) {
    const int64_t i0 = down.start(i), j0 = across.start(j);
    // The next columns are fetched a share at a time by the tiles of these. With a row or two the CPU's own prefetcher, which
    // sees long runs, does better, and with small tiles, of which a step takes no longer than the fetches.
    int64_t next = 0, end = 0;
    if (V::kRegisters == 32 && d.rows > 2 && j + 1 < across.tiles) {
      next = across.start(j + 1) + across.size(j + 1) * i / down.tiles;
      end = across.start(j + 1) + across.size(j + 1) * (i + 1) / down.tiles;
    }
    T* c = d.c + i0 * d.cRow + j0;
    kDotTiles<V>.run[down.size(i)][across.size(j)]({d.depth, d.a + i0 * d.aRow, d.aRow, d.b + j0 * d.bColumn, d.bColumn,
                                                    d.b + next * d.bColumn, static_cast<int>(end - next), c, d.cRow,
                                                    d.start == nullptr ? nullptr : d.start + i0 * d.startRow + j0,
                                                    d.startRow, d.bias == nullptr ? nullptr : d.bias + j0});
  };
  // Whichever side is longer stays outside, so that the other is still in the first cache when it comes again.
  if (tall) {
    for (int64_t i = 0; i < down.tiles; ++i) {
      for (int64_t j = 0; j < across.tiles; ++j) run(i, j);
    }
  } else {
    for (int64_t j = 0; j < across.tiles; ++j) {
      for (int64_t i = 0; i < down.tiles; ++i) run(i, j);
    }
  }
  finish<V>(d.activation, d.rows, d.columns, d.c, d.cRow);
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.dotBlock = dotBlock<T>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addGemmDot(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
