// Matrix products in the shape of GotoBLAS and BLIS: B in panels of NR columns, a tile of C in registers.
#include "gemm_finish.h"
#include "gemm_tile.h"
#include "lanes.h"
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

// Steps of the depth between two looks at what is to be fetched ahead; over B in place, which takes its time to arrive, fewer.
constexpr int kUnrolled = 4, kUnrolledInPlace = 2;
// Rows of B in place are fetched so many before they are read.
constexpr int64_t kRowsAhead = 16;
// Below this depth C is not fetched ahead: the tile is done before the lines would arrive.
constexpr int64_t kShortDepth = 64;

template <class T>
struct TileArgs {
  int64_t depth;
  const T* a;
  int64_t aStep;
  const T* b;
  int64_t bStep, bPanel;
  const char* ahead;  // what to fetch into the cache meanwhile: 0, 1, 2, 4, 8 or 12 lines every kUnrolled steps
  int aheadLines;
  T* c;
  int64_t cRow;
  int last;        // elements of the last vector
  const T* start;  // what the first chain starts from
  int64_t startRow, startStep;
  bool resumes;
  bool relu;
  int64_t times;  // tiles side by side: each the next kVectors panels, vectors of C and startStep elements of the start
};

// A tree of branches that are always the same way, and no count to keep.
LATENT_INLINE inline void fetchLines(const char* p, int lines) {
  if (lines == 0) return;
  fetch(p);
  if (lines == 1) return;
  fetch(p + kLine);
  if (lines == 2) return;
  fetch(p + 2 * kLine);
  fetch(p + 3 * kLine);
  if (lines == 4) return;
  fetch(p + 4 * kLine);
  fetch(p + 5 * kLine);
  fetch(p + 6 * kLine);
  fetch(p + 7 * kLine);
  if (lines == 8) return;
  fetch(p + 8 * kLine);
  fetch(p + 9 * kLine);
  fetch(p + 10 * kLine);
  fetch(p + 11 * kLine);
}

// The next larger number that fetchLines takes.
inline int linesToFetch(int64_t lines) {
  return lines <= 2 ? static_cast<int>(lines) : (lines <= 4 ? 4 : (lines <= 8 ? 8 : 12));
}

// kRows × kVectors vectors of C. kByRow: A in place by rows, else the rows of a depth lie one after another. kPacked: B
// in packed panels, else rows of B in place.
template <class V, int kRows, int kVectors, bool kByRow, bool kPacked>
void tile(const TileArgs<typename V::Element>& t) {
  using T = typename V::Element;
  constexpr int L = V::kLanes, kSteps = kPacked ? kUnrolled : kUnrolledInPlace;
  V acc[kRows][kVectors];
  const char* b = reinterpret_cast<const char*>(t.b);
  // Rows of A, or the steps of the depth that are taken together.
  Lines<kByRow ? kRows : kSteps> linesOfA(t.a, t.aStep * static_cast<int64_t>(sizeof(T)));
  T* c = t.c;
  const T* first = t.start;
  int64_t times = t.times;
  constexpr int64_t kVectorBytes = L * static_cast<int64_t>(sizeof(T));
  const int64_t bStep = (kPacked ? L : t.bStep) * static_cast<int64_t>(sizeof(T));
  // Rows in place are a stream that the CPU's prefetcher does not see, each row being on another page.
  const int64_t rowsAhead = kRowsAhead * bStep;
  int64_t panel = t.bPanel * static_cast<int64_t>(sizeof(T)), panel3 = 3 * panel;
  const auto step = [&](int u) LATENT_INLINE {
    linesOfA.hideStrides();
    hide(panel);
    hide(panel3);
    addProducts<V, kRows, kVectors>(
        acc,
        [&](int i) LATENT_INLINE {
          const char* x = linesOfA.at(kByRow ? i : u) + (kByRow ? u : i) * sizeof(T);
          return V::set(*reinterpret_cast<const T*>(x));
        },
        [&](int j) LATENT_INLINE {
          const char* x = kPacked ? b + (j == 3 ? panel3 : j * panel) + u * kVectorBytes : b + j * kVectorBytes;
          return V::load(reinterpret_cast<const T*>(x));
        });
    if (!kPacked) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) fetch(b + rowsAhead + j * kVectorBytes);
      b += bStep;
    }
  };
  const auto move = [&](int steps) LATENT_INLINE {
    if (kPacked) b += steps * kVectorBytes;
    linesOfA.move(steps * (kByRow ? static_cast<int64_t>(sizeof(T)) : linesOfA.one));
  };
  const char* ahead = t.ahead;
  const int aheadLines = t.aheadLines;
  const int64_t aheadStep = aheadLines * kLine;

  const T* start = first;
  int64_t startRow = t.startRow;
  bool resumes = t.resumes;
  for (int64_t left = t.depth;;) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) {
        acc[i][j] = loadOfTile<V>(start + i * startRow + j * L, j == kVectors - 1, t.last);
      }
    }
    int64_t p = left < kChain ? left : kChain;
    left -= p;
    for (; p >= kSteps; p -= kSteps) {
      if (kPacked) {
        fetchLines(ahead, aheadLines);
        ahead += aheadStep;
      }
#pragma GCC unroll 4
      for (int u = 0; u < kSteps; ++u) step(u);
      move(kSteps);
      hide(b);
      linesOfA.hideBases();
      hide(ahead);
      hide(p);
    }
    for (; p > 0; --p) {
      step(0);
      move(1);
    }
    // The chains before lie in C, which is in the first cache: no register is free for them.
    if (resumes) {
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
        for (int j = 0; j < kVectors; ++j) {
          acc[i][j] = loadOfTile<V>(c + i * t.cRow + j * L, j == kVectors - 1, t.last) + acc[i][j];
        }
      }
    }
    if (t.relu && left == 0) {
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
        for (int j = 0; j < kVectors; ++j) acc[i][j] = reluOf(acc[i][j]);
      }
    }
    storeTile(acc, c, t.cRow, t.last);
    if (left > 0) {
      start = kNothing<T>;
      startRow = 0;
      resumes = true;
    } else {
      if (--times == 0) return;
      b = reinterpret_cast<const char*>(t.b) + (t.times - times) * kVectors * t.bPanel * static_cast<int64_t>(sizeof(T));
      linesOfA = Lines<kByRow ? kRows : kSteps>(t.a, t.aStep * static_cast<int64_t>(sizeof(T)));
      c += kVectors * L;
      first += t.startStep;
      start = first;
      startRow = t.startRow;
      resumes = t.resumes;
      left = t.depth;
    }
  }
}

// Tiles by how they read A and B, vectors across, and height.
template <class V>
struct Tiles {
  static constexpr int WIDEST = Tile<V>::WIDEST, WIDEST_IN_PLACE = Tile<V>::WIDEST_IN_PLACE;
  using Run = void (*)(const TileArgs<typename V::Element>&);
  Run run[2][2][WIDEST_IN_PLACE + 1][Tile<V>::MR + 1] = {};

  constexpr Tiles() { add<Tile<V>::rowsBeside(WIDEST_IN_PLACE), WIDEST_IN_PLACE>(); }

 private:
  template <int kRows, int kVectors>
  constexpr void add() {
    if constexpr (kVectors <= WIDEST) {
      run[0][0][kVectors][kRows] = tile<V, kRows, kVectors, false, false>;
      run[0][1][kVectors][kRows] = tile<V, kRows, kVectors, false, true>;
      run[1][1][kVectors][kRows] = tile<V, kRows, kVectors, true, true>;
    }
    if constexpr (kVectors <= WIDEST || kRows <= Tile<V>::FEW_ROWS) {
      run[1][0][kVectors][kRows] = tile<V, kRows, kVectors, true, false>;
    }
    if constexpr (kRows > 1) add<kRows - 1, kVectors>();
    else if constexpr (kVectors > 1) add<Tile<V>::rowsBeside(kVectors - 1), kVectors - 1>();
  }
};

template <class V>
constexpr Tiles<V> kTiles;

template <class T>
void gemmBlock(const GemmBlock<T>& g) {
  using V = Vec<T>;
  constexpr int L = V::kLanes, MR = Tile<V>::MR;
  const bool isShort = g.depth <= kShortDepth && g.reading == Reading::kRows && g.rows > MR;
  const bool isFew = !g.packed && g.reading == Reading::kRows && g.rows <= Tile<V>::FEW_ROWS;
  const int most = isFew ? Tile<V>::WIDEST_IN_PLACE : Tile<V>::WIDEST;
  const int widest = isShort ? Tile<V>::shortAcross() : Tile<V>::acrossFor(g.rows, most);
  const Split down(g.rows, isShort ? Tile<V>::rowsBeside(widest) : MR), across((g.columns + L - 1) / L, widest);
  const auto& runs = kTiles<V>.run[g.reading == Reading::kRows][g.packed];

  // Tiles of equal size from j on, all but a last one whole.
  const auto run = [&](int64_t i, int64_t j, int64_t times) {
    const int64_t i0 = down.start(i), height = down.size(i), vectors = across.size(j), j0 = across.start(j) * L;
    const T* a = g.a;
    int64_t aStep = g.aStep;
    if (g.reading == Reading::kTiles) {
      a += i * MR * g.depth;
      aStep = MR;
    } else {
      a += g.reading == Reading::kRows ? i0 * g.aStep : i0;
    }
    const T* b = g.b + across.start(j) * g.bPanel;
    // The panels that come next are fetched into the second cache a share at a time by the tiles of these.
    const char* ahead = reinterpret_cast<const char*>(b);
    int lines = 0;
    if (!g.rowsOutside && g.packed && j + 1 < across.tiles) {
      const int64_t bytes = across.size(j + 1) * g.depth * L * static_cast<int64_t>(sizeof(T));
      const int64_t step = across.size(j + 1) * kUnrolled * L * static_cast<int64_t>(sizeof(T)) / kLine;
      lines = linesToFetch((step + down.tiles - 1) / down.tiles);
      const int64_t share = i * lines * kLine * (g.depth / kUnrolled);
      if (share < bytes) ahead = reinterpret_cast<const char*>(b + vectors * g.bPanel) + share;
      else lines = 0;
    }
    T* const c = g.c + i0 * g.cRow + j0;
    const int64_t all = times * vectors * L, width = g.columns - j0 < all ? g.columns - j0 : all;
    const T* start = kNothing<T>;
    int64_t startRow = 0;
    if (!g.resumes && g.start != nullptr) {
      start = g.start + i0 * g.startRow + j0;
      startRow = g.startRow;
    } else if (!g.resumes && g.bias != nullptr) {
      start = g.bias + j0;
    }
    const int last = static_cast<int>(width - (all - L));
    const int64_t startStep = start == kNothing<T> ? 0 : vectors * L;
    const auto compute = [&](T* to, int64_t toRow) {
      runs[vectors][height]({g.depth, a, aStep, b, g.bStep, g.bPanel, ahead, lines, to, toRow, last, start, startRow,
                             startStep, g.resumes, g.activation == Activation::kRelu, times});
    };
    if (V::kMasks || last == L) {
      if (g.depth > kShortDepth) fetchTile(height, width, c, g.cRow);
      compute(c, g.cRow);
    } else {
      alignas(kLine) T whole[Tile<V>::largest()];
      const int64_t row = vectors * L;
      if (g.resumes) {
        copyToWhole<V>(height, width, c, g.cRow, whole, row);
      } else if (start != kNothing<T>) {
        copyToWhole<V>(height, width, start, startRow, whole, row);
        start = whole;
        startRow = row;
      }
      compute(whole, row);
      copyFromWhole<V>(height, width, whole, row, c, g.cRow);
    }
    if (g.activation > Activation::kRelu) finish<V>(g.activation, height, width, c, g.cRow);
  };
  if (g.rowsOutside) {
    const bool whole = g.columns % L == 0;
    for (int64_t i = 0; i < down.tiles; ++i) {
      for (int64_t j = 0, times; j < across.tiles; j += times) {
        times = j < across.larger ? across.larger - j : across.tiles - j;
        // A last one that ends within a vector is computed by itself.
        if (!whole && j + times == across.tiles && times > 1) --times;
        run(i, j, times);
      }
    }
  } else {
    for (int64_t j = 0; j < across.tiles; ++j) {
      for (int64_t i = 0; i < down.tiles; ++i) run(i, j, 1);
    }
  }
}

template <class T>
void fill(FloatKernels<T>& k) {
  using V = Vec<T>;
  k.gemmShape = {Tile<V>::MR, Tile<V>::ACROSS, V::kLanes};
  k.gemmBlock = gemmBlock<T>;
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
  for (int i = 0; i < kChains; ++i) total += sumOfLanes(acc[i]);
  *flops = 2.0 * kChains * V::kLanes * static_cast<double>(rounds);
  return total;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addGemm(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
  table.fmaPeak = fmaPeak;
}
