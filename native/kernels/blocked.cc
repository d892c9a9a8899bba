// Convolutions and pools of values whose channels lie in blocks: a block of a pixel is whole vectors, so that nothing is
// shuffled, masked or copied on the way, whatever the strides are.
#include "gemm_finish.h"
#include "gemm_tile.h"
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

using V = Vec<float>;
constexpr int L = V::kLanes;
// Vectors of a block.
constexpr int kVectors = static_cast<int>(kBlock) / L;

// The largest tiles: their accumulators, the vectors of the filters and a broadcast pixel fit the registers.
constexpr int kFilterBlocks = L == 16 ? 2 : 1;
constexpr int kPixels = L == 1 ? 2 : (L == 16 ? 14 : 6);
// Late layers read their filters from the last cache, and are fetched before. Filters of one tap so many elements ahead.
constexpr int64_t kAhead = 1024;

// One chain of the sums of a tile.
struct ConvTile {
  const BlockedConv& c;
  int64_t begin, end;  // channels
  const float *x, *residual;
  float* y;
  // A share of the filters of the next chain, which are fetched meanwhile: those of a tap for every fourth.
  const float* ahead;
};

LATENT_INLINE inline V clamped(V x, V low, V high) { return min(high, max(low, x)); }

// kBlocks blocks of filters × kRows rows of kColumns pixels.
template <int kBlocks, int kRows, int kColumns, int kStep, int kPixel>
void convTile(const ConvTile& t) {
  const BlockedConv& c = t.c;
  constexpr int kWide = kBlocks * kVectors;
  // Where a vector lies in its block.
  const auto placeOf = [](int i) { return i % kVectors * L; };
  const bool first = t.begin == 0, last = t.end == c.channels;
  V acc[kWide][kRows][kColumns];
#pragma GCC unroll 16
  for (int i = 0; i < kWide; ++i) {
    const V start = first && c.bias != nullptr ? V::load(c.bias + i * L) : V::zero();
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int j = 0; j < kColumns; ++j) acc[i][r][j] = start;
    }
  }
  const float *ahead = t.ahead, *w = c.weights + t.begin * c.taps * kBlock;
  // The taps at `offset` of the rows that `at` tells, by the u-th filters from w on.
  const auto step = [&](const float* const(&at)[kRows], int64_t offset, int u) LATENT_INLINE {
    V filters[kWide];
#pragma GCC unroll 16
    for (int i = 0; i < kWide; ++i) {
      const float* const from = w + i / kVectors * c.weightsBlock + u * kBlock + placeOf(i);
      filters[i] = V::load(from);
    }
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int j = 0; j < kColumns; ++j) {
        const V pixel = V::set(at[r][offset + j * kStep * kPixel]);
#pragma GCC unroll 16
        for (int i = 0; i < kWide; ++i) acc[i][r][j] = plusProduct(acc[i][r][j], filters[i], pixel);
      }
    }
  };
  for (int64_t channel = t.begin; channel < t.end;) {
    const int64_t within = channel % c.together;
    const int64_t count = t.end - channel < c.together - within ? t.end - channel : c.together - within;
    const float* rows[kRows];
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) rows[r] = t.x + channel / c.together * c.xPlane + r * c.xRow;
    channel += count;
    if (kPixel > 1 && c.taps == 1) {
      int64_t u = within;
      const int64_t all = within + count;
      for (; u + 4 <= all; u += 4, w += 4 * kBlock) {
#pragma GCC unroll 8
        for (int i = 0; i < 4 * kBlocks; ++i) fetch(w + i / 4 * c.weightsBlock + i % 4 * kBlock + kAhead);
        step(rows, u, 0);
        step(rows, u + 1, 1);
        step(rows, u + 2, 2);
        step(rows, u + 3, 3);
      }
      for (; u < all; ++u, w += kBlock) step(rows, u, 0);
      continue;
    }
    const int32_t* at = c.offsets + within * c.taps;
    int64_t left = count * c.taps;
    for (; left >= 4; left -= 4, at += 4, w += 4 * kBlock, ahead += kBlock) {
#pragma GCC unroll 2
      for (int b = 0; b < kBlocks; ++b) fetch(ahead + b * c.weightsBlock);
      step(rows, at[0], 0);
      step(rows, at[1], 1);
      step(rows, at[2], 2);
      step(rows, at[3], 3);
    }
    for (; left > 0; --left, ++at, w += kBlock) step(rows, *at, 0);
  }
  const V low = V::set(c.low), high = V::set(c.high);
#pragma GCC unroll 16
  for (int i = 0; i < kWide; ++i) {
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int j = 0; j < kColumns; ++j) {
        float* const to = t.y + i / kVectors * c.yPlane + r * c.yRow + j * kBlock + placeOf(i);
        V v = acc[i][r][j];
        if (!first) v = V::load(to) + v;
        if (last) {
          if (t.residual != nullptr) {
            v = v + V::load(t.residual + i / kVectors * c.residualPlane + r * c.residualRow + j * kBlock + placeOf(i));
          }
          v = clamped(v, low, high);
        }
        v.store(to);
      }
    }
  }
}

// Tiles by blocks of filters, rows and columns.
template <int kStep, int kPixel>
struct ConvTiles {
  using Tile = void (*)(const ConvTile&);
  Tile values[kFilterBlocks + 1][3][kPixels + 1] = {};

  constexpr ConvTiles() {
    add<kFilterBlocks, 1, kPixels>();
    if constexpr (kPixel > 1) add<kFilterBlocks, 2, kPixels / 2>();
    if constexpr (kFilterBlocks == 2) add<1, 1, kPixels>();
  }

 private:
  template <int kBlocks, int kRows, int kColumns>
  constexpr void add() {
    values[kBlocks][kRows][kColumns] = convTile<kBlocks, kRows, kColumns, kStep, kPixel>;
    if constexpr (kColumns > 1) add<kBlocks, kRows, kColumns - 1>();
  }
};

template <int kStep, int kPixel>
constexpr ConvTiles<kStep, kPixel> kConvTiles;

// How rows of so many pixels are cut into tiles: one by one or two together, whichever leaves fewer tiles too few sums to hide
// the latency of one.
struct Rows {
  Split across;
  int64_t together;

  Rows(int64_t rows, int64_t columns, int wide, bool hasPairs) : across(columns, kPixels), together(1) {
    if (!hasPairs || rows < 2) return;
    const Split pairs(columns, kPixels / 2);
    const int64_t one = 2 * costOf(across, wide), two = costOf(pairs, 2 * wide);
    if (two > one || (two == one && pairs.tiles >= 2 * across.tiles)) return;
    across = pairs;
    together = 2;
  }

  int64_t tiles(int64_t rows) const { return (rows + together - 1) / together * across.tiles; }

 private:
  // Sums that are under way at once on two ports.
  static constexpr int64_t kLeast = 8;
  static int64_t costOf(const Split& split, int64_t wide) {
    int64_t cost = 0;
    for (int64_t j = 0; j < split.tiles; ++j) cost += split.size(j) * wide < kLeast ? kLeast : split.size(j) * wide;
    return cost;
  }
};

template <int kStep, int kPixel>
void convolve(const BlockedConv& c) {
  const auto& tiles = kConvTiles<kStep, kPixel>.values[c.blocks];
  const Rows cut(c.rows, c.columns, static_cast<int>(c.blocks) * kVectors, tiles[2][1] != nullptr);
  // A chain's filters stay in the first cache while the pixels pass.
  for (int64_t begin = 0; begin < c.channels; begin += c.chain) {
    const int64_t end = c.channels - begin < c.chain ? c.channels : begin + c.chain;
    const int64_t share = ((end - begin) * c.taps + cut.tiles(c.rows) - 1) / cut.tiles(c.rows) * kBlock;
    const float* ahead = end < c.channels ? c.weights + end * c.taps * kBlock : c.weights + c.blocks * c.weightsBlock;
    for (int64_t i = 0; i < c.rows;) {
      // A last row by itself is cut as the others are.
      const int64_t rows = c.rows - i < cut.together ? c.rows - i : cut.together;
      for (int64_t j = 0; j < cut.across.tiles; ++j) {
        const int64_t from = cut.across.start(j);
        const float* const residual = c.residual == nullptr ? nullptr : c.residual + i * c.residualRow + from * kBlock;
        tiles[rows][cut.across.size(j)](
            {c, begin, end, c.x + i * c.xRow + from * kStep * kPixel, residual, c.y + i * c.yRow + from * kBlock, ahead});
        ahead += share;
      }
      i += rows;
    }
  }
}

void convBlocked(const BlockedConv& c) {
  constexpr int kWhole = static_cast<int>(kBlock);
  if (c.plain) (c.step == 1 ? convolve<1, 1> : convolve<2, 1>)(c);
  else (c.step == 1 ? convolve<1, kWhole> : convolve<2, kWhole>)(c);
  if (c.activation == Activation::kNone) return;
  for (int64_t b = 0; b < c.blocks; ++b) finish<V>(c.activation, c.rows, c.columns * kBlock, c.y + b * c.yPlane, c.yRow);
}

struct DepthwiseTile {
  const BlockedDepthwise& d;
  const float *x, *weights;
  V bias;
  float* y;
};

// kColumns pixels of a row, of one vector of channels: a pixel of x is read once for each row of taps.
template <int kTaps, int kStep, int kColumns>
void depthwiseTile(const DepthwiseTile& t) {
  V acc[kColumns];
#pragma GCC unroll 16
  for (int j = 0; j < kColumns; ++j) acc[j] = t.bias;
  const float *x = t.x, *w = t.weights;
#pragma GCC unroll 1
  for (int r = 0; r < kTaps; ++r, x += t.d.xRow, w += kTaps * kBlock) {
    V filters[kTaps];
#pragma GCC unroll 8
    for (int s = 0; s < kTaps; ++s) filters[s] = V::load(w + s * kBlock);
#pragma GCC unroll 40
    for (int p = 0; p < (kColumns - 1) * kStep + kTaps; ++p) {
      const V pixel = V::load(x + p * kBlock);
#pragma GCC unroll 8
      for (int s = 0; s < kTaps; ++s) {
        if (p < s || (p - s) % kStep != 0 || (p - s) / kStep >= kColumns) continue;
        acc[(p - s) / kStep] = plusProduct(acc[(p - s) / kStep], pixel, filters[s]);
      }
    }
  }
  const V low = V::set(t.d.low), high = V::set(t.d.high);
#pragma GCC unroll 16
  for (int j = 0; j < kColumns; ++j) clamped(acc[j], low, high).store(t.y + j * kBlock);
}

template <int kTaps, int kStep>
struct DepthwiseTiles {
  // Beside the sums the filters of a row of taps and a pixel take registers.
  static constexpr int kMost = V::kRegisters >= 32 ? 14 : V::kRegisters - kTaps - 2;
  void (*values[kMost + 1])(const DepthwiseTile&) = {};

  constexpr DepthwiseTiles() { add<kMost>(); }

 private:
  template <int kColumns>
  constexpr void add() {
    values[kColumns] = depthwiseTile<kTaps, kStep, kColumns>;
    if constexpr (kColumns > 1) add<kColumns - 1>();
  }
};

template <int kTaps, int kStep>
constexpr DepthwiseTiles<kTaps, kStep> kDepthwiseTiles;

template <int kTaps, int kStep>
void channelwise(const BlockedDepthwise& d) {
  const auto& tiles = kDepthwiseTiles<kTaps, kStep>;
  const Split across(d.columns, tiles.kMost);
  for (int64_t i = 0; i < d.rows; ++i) {
    for (int64_t j = 0; j < across.tiles; ++j) {
      for (int v = 0; v < kVectors; ++v) {
        const int64_t from = across.start(j) * kBlock + v * L;
        const V bias = d.bias == nullptr ? V::zero() : V::load(d.bias + v * L);
        tiles.values[across.size(j)]({d, d.x + i * kStep * d.xRow + from * kStep - v * L * (kStep - 1), d.weights + v * L,
                                      bias, d.y + i * d.yRow + from});
      }
    }
  }
}

void depthwiseBlocked(const BlockedDepthwise& d) {
  if (d.taps == 3) (d.step == 1 ? channelwise<3, 1> : channelwise<3, 2>)(d);
  else (d.step == 1 ? channelwise<5, 1> : channelwise<5, 2>)(d);
  finish<V>(d.activation, d.rows, d.columns * kBlock, d.y, d.yRow);
}

// The first of equals, zeros of both signs among them, and the first NaN, as pools of planes have it.
inline V largerOf(V a, V b) { return select(b <= a, a, select(isNan(a), a, b)); }

// Calls each(from, rows, columns, i, j) for the windows of the rows [begin, end): where the part that lies inside begins, its size,
// and the output's place.
template <class Each>
inline void forWindows(const BlockedPool& p, Each each) {
  const auto inside = [](int64_t at, int64_t size, int64_t extent, int64_t& from, int64_t& to) {
    from = at < 0 ? 0 : at;
    to = at + size < extent ? at + size : extent;
  };
  for (int64_t i = p.begin; i < p.end; ++i) {
    int64_t top, bottom;
    inside(i * p.down - p.top, p.height, p.xRows, top, bottom);
    for (int64_t j = 0; j < p.columns; ++j) {
      int64_t left, right;
      inside(j * p.across - p.left, p.width, p.xColumns, left, right);
      each(p.x + top * p.xRow + left * kBlock, bottom - top, right - left, i, j);
    }
  }
}

void poolBlocked(const BlockedPool& p) {
  forWindows(p, [&](const float* from, int64_t rows, int64_t columns, int64_t i, int64_t j) {
    float* const to = p.y + i * p.yRow + j * kBlock;
    for (int v = 0; v < kVectors; ++v) {
      const float* row = from + v * L;
      V all = V::load(row);
      for (int64_t r = 0; r < rows; ++r, row += p.xRow) {
        for (int64_t c = r == 0 ? 1 : 0; c < columns; ++c) {
          const V element = V::load(row + c * kBlock);
          all = p.rowCounts == nullptr ? largerOf(all, element) : all + element;
        }
      }
      if (p.rowCounts != nullptr) all = all / V::set(p.rowCounts[i] * p.columnCounts[j]);
      all.store(to + v * L);
    }
  });
}

// Chains of kChain pixels, added up in order.
void meanBlocked(int64_t rows, int64_t columns, const float* x, int64_t xRow, float* out) {
  for (int v = 0; v < kVectors; ++v) {
    V total = V::zero(), chain = V::zero();
    int64_t terms = 0;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        chain = chain + V::load(x + i * xRow + j * kBlock + v * L);
        if (++terms < kChain) continue;
        total = total + chain;
        chain = V::zero();
        terms = 0;
      }
    }
    ((total + chain) / V::set(static_cast<float>(rows * columns))).store(out + v * L);
  }
}

void scaleBlocked(int64_t columns, const float* x, const float* factors, float* out) {
  for (int v = 0; v < kVectors; ++v) {
    const V factor = V::load(factors + v * L);
    for (int64_t j = 0; j < columns; ++j) (V::load(x + j * kBlock + v * L) * factor).store(out + j * kBlock + v * L);
  }
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addBlocked(KernelTable& table) {
  table.blocked = {kFilterBlocks, convBlocked, depthwiseBlocked, poolBlocked, meanBlocked, scaleBlocked};
}
