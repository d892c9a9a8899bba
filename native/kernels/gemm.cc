// Matrix products in the shape of GotoBLAS and BLIS: B in panels of NR columns, a tile of C in registers.
#include "gemm_finish.h"
#include "gemm_tile.h"
#include "lanes.h"
#include "parts.h"

LATENT_ISA_BEGIN

// Steps of the depth between two looks at what is to be fetched ahead.
constexpr int kUnrolled = 4;
// Below this depth C is not fetched ahead: the tile is done before the lines would arrive.
constexpr int64_t kShortDepth = 64;

template <class T>
struct TileArgs {
  int64_t depth;
  const T* a;
  int64_t aStep;
  const T* b;
  int64_t bStep, bPanel;
  const char* ahead;  // what to fetch into the cache meanwhile: 0, 1, 2, 4 or 8 lines every kUnrolled steps
  int aheadLines;
  T* c;
  int64_t cRow;
  int columns;  // 1 .. kVectors·L
  bool accumulate;
  const T* bias;
  bool relu;
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
}

// kRows × kVectors vectors of C. kByRow: A in place by rows, else the rows of a depth lie behind one another. kPacked: B
// in packed panels, else rows of B in place.
template <class V, int kRows, int kVectors, bool kByRow, bool kPacked>
void tile(const TileArgs<typename V::Element>& t) {
  using T = typename V::Element;
  constexpr int L = V::kLanes, PV = Tile<V>::PV, kPanels = (kVectors + PV - 1) / PV;
  const bool whole = t.columns == kVectors * L;
  int present[kVectors];
#pragma GCC unroll 8
  for (int j = 0; j < kVectors; ++j) present[j] = presentOf<V>(t.columns - j * L);
  V acc[kRows][kVectors];
  if (t.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) {
        const T* c = t.c + i * t.cRow + j * L;
        acc[i][j] = V::loadPart(c, present[j]);
      }
    }
  } else {
    V start[kVectors];
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) {
      start[j] = t.bias == nullptr ? V::zero() : V::loadPart(t.bias + j * L, present[j]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      if (t.depth > kShortDepth) {
#pragma GCC unroll 4
        for (int p = 0; p < kPanels; ++p) fetchToWrite(t.c + i * t.cRow + p * PV * L);
      }
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) acc[i][j] = start[j];
    }
  }

  const char* b[kPanels];
#pragma GCC unroll 4
  for (int q = 0; q < kPanels; ++q) b[q] = reinterpret_cast<const char*>(t.b + q * t.bPanel);
  // Addresses are a base, a stride times 1, 2, 4 or 8, and a displacement: two bases and the strides of one, three and
  // five rows reach twelve rows, and one addition moves each base.
  constexpr int kUpper = 5;
  const char* low = reinterpret_cast<const char*>(t.a);
  int64_t a1 = t.aStep * static_cast<int64_t>(sizeof(T)), a3 = 3 * a1, a5 = 5 * a1;
  const char* high = low + (kByRow && kRows > kUpper ? kUpper * a1 : 0);
  const int64_t b1 = (kPacked ? Tile<V>::NR : t.bStep) * static_cast<int64_t>(sizeof(T));
  const auto rowAt = [&](int i) LATENT_INLINE {
    switch (i) {
      case 0: return low;
      case 1: return low + a1;
      case 2: return low + 2 * a1;
      case 3: return low + a3;
      case 4: return low + 4 * a1;
      case 5: return high;
      case 6: return high + a1;
      case 7: return high + 2 * a1;
      case 8: return high + a3;
      case 9: return high + 4 * a1;
      case 10: return high + a5;
      default: return high + 2 * a3;
    }
  };
  const auto step = [&](int u) LATENT_INLINE {
    hide(a1);
    hide(a3);
    hide(a5);
    V row[kVectors];
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) {
      const char* x = b[j / PV] + (kPacked ? u * b1 : 0);
      row[j] = V::load(reinterpret_cast<const T*>(x) + j % PV * L);
    }
    if (!kPacked) {
#pragma GCC unroll 4
      for (int q = 0; q < kPanels; ++q) b[q] += b1;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const char* x = kByRow ? rowAt(i) + u * sizeof(T) : (u < 2 ? low + u * a1 : low + (u == 2 ? 2 * a1 : a3)) + i * sizeof(T);
      const V y = V::set(*reinterpret_cast<const T*>(x));
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) acc[i][j] = plusProduct(acc[i][j], y, row[j]);
    }
  };
  const auto move = [&](int steps) LATENT_INLINE {
    if (kPacked) {
#pragma GCC unroll 4
      for (int q = 0; q < kPanels; ++q) b[q] += steps * b1;
    }
    low += kByRow ? steps * static_cast<int64_t>(sizeof(T)) : steps * a1;
    if (kByRow && kRows > kUpper) high += steps * sizeof(T);
  };
  const char* ahead = t.ahead;
  const int aheadLines = t.aheadLines;
  const int64_t aheadStep = aheadLines * kLine;
  int64_t p = t.depth;
  for (; p >= kUnrolled; p -= kUnrolled) {
    fetchLines(ahead, aheadLines);
    ahead += aheadStep;
#pragma GCC unroll 4
    for (int u = 0; u < kUnrolled; ++u) step(u);
    move(kUnrolled);
  }
  for (; p > 0; --p) {
    step(0);
    move(1);
  }

  if (t.relu) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) acc[i][j] = reluOf(acc[i][j]);
    }
  }
  if (whole) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) acc[i][j].store(t.c + i * t.cRow + j * L);
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) acc[i][j].storePart(t.c + i * t.cRow + j * L, present[j]);
    }
  }
}

// Tiles by how they read A and B, vectors across a panel (or two panels, in the last place), and height.
template <class V>
struct Tiles {
  static constexpr int PV = Tile<V>::PV, MR = Tile<V>::MR, kWide = PV + 1;
  using Run = void (*)(const TileArgs<typename V::Element>&);
  Run run[2][2][kWide + 1][MR + 1] = {};

  constexpr Tiles() { add<MR, PV>(); }

 private:
  template <int kRows, int kVectors>
  constexpr void add() {
    addReadings<kRows, kVectors>(kVectors);
    if constexpr (kVectors == PV && kRows <= Tile<V>::WIDE) addReadings<kRows, 2 * PV>(kWide);
    if constexpr (kVectors > 1) add<kRows, kVectors - 1>();
    else if constexpr (kRows > 1) add<kRows - 1, PV>();
  }
  template <int kRows, int kVectors>
  constexpr void addReadings(int place) {
    run[0][0][place][kRows] = tile<V, kRows, kVectors, false, false>;
    run[0][1][place][kRows] = tile<V, kRows, kVectors, false, true>;
    run[1][0][place][kRows] = tile<V, kRows, kVectors, true, false>;
    run[1][1][place][kRows] = tile<V, kRows, kVectors, true, true>;
  }
};

template <class V>
constexpr Tiles<V> kTiles;

template <class T>
void gemmBlock(const GemmBlock<T>& g) {
  using V = Vec<T>;
  constexpr int L = V::kLanes, MR = Tile<V>::MR, NR = Tile<V>::NR, WIDE = Tile<V>::WIDE, kWide = Tiles<V>::kWide;
  const bool low = g.rows <= WIDE || (g.depth <= kShortDepth && g.reading == Reading::kRows);
  const Split split(g.rows, low ? WIDE : MR);
  const bool packedPanels = g.bStep == NR;
  const auto& runs = kTiles<V>.run[g.reading == Reading::kRows][packedPanels];
  constexpr int64_t kPanelRow = NR * static_cast<int64_t>(sizeof(T));

  const auto run = [&](int64_t i, int64_t j, int64_t width) {
    const int64_t i0 = split.start(i);
    const int vectors = width > NR ? kWide : static_cast<int>((width + L - 1) / L);
    const T* a = g.a;
    int64_t aStep = g.aStep;
    if (g.reading == Reading::kTiles) {
      a += i * MR * g.depth;
      aStep = MR;
    } else {
      a += g.reading == Reading::kRows ? i0 * g.aStep : i0;
    }
    const T* b = g.b + j / NR * g.bPanel;
    // The panel that comes next is fetched into the second cache a share at a time by the tiles of this one. A panel
    // that only one tile reads is a stream: it is fetched a little ahead of its own reading.
    const char* ahead = reinterpret_cast<const char*>(b);
    int lines = 0;
    if (!g.rowsOutside && packedPanels && vectors != kWide) {
      constexpr int kWhole = static_cast<int>(kPanelRow * kUnrolled / kLine);
      if (split.tiles == 1) {
        lines = kWhole < 8 ? kWhole : 8;
        ahead += kStreamAhead;
      } else if (j + 2 * NR <= g.columns) {
        lines = split.tiles == 2 || split.tiles == 3 ? kWhole / 2 : (split.tiles < 8 ? kWhole / 4 : kWhole / 8);
        const int64_t share = lines * kLine * (g.depth / kUnrolled), bytes = kPanelRow * g.depth;
        if (i * share < bytes) ahead += bytes + i * share;
        else lines = 0;
      }
    }
    T* c = g.c + i0 * g.cRow + j;
    const int64_t height = split.height(i);
    runs[vectors][height]({g.depth, a, aStep, b, g.bStep, g.bPanel, ahead, lines, c, g.cRow, static_cast<int>(width),
                           g.accumulate, g.bias == nullptr ? nullptr : g.bias + j, g.activation == Activation::kRelu});
    if (g.activation > Activation::kRelu) finish<V>(g.activation, height, width, c, g.cRow);
  };
  const auto widthAt = [&](int64_t j) {
    const int64_t left = g.columns - j, most = low && left > NR ? 2 * NR : NR;
    return left < most ? left : most;
  };
  if (g.rowsOutside) {
    for (int64_t i = 0; i < split.tiles; ++i) {
      for (int64_t j = 0; j < g.columns; j += widthAt(j)) run(i, j, widthAt(j));
    }
  } else {
    for (int64_t j = 0; j < g.columns; j += widthAt(j)) {
      const int64_t width = widthAt(j);
      for (int64_t i = 0; i < split.tiles; ++i) run(i, j, width);
    }
  }
}

template <class T>
void fill(FloatKernels<T>& k) {
  using V = Vec<T>;
  k.gemmShape = {Tile<V>::MR, Tile<V>::NR, V::kLanes};
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
