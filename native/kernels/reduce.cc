// Sums, products and extremes of a row, and of each column of a block of rows.
#include "lanes.h"
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

constexpr int64_t kSumBlock = 4096;
// Rows that are combined before they are combined with the rest: kRowBlock at first, and so many of these, twice.
constexpr int64_t kRowBlock = 64, kTogether = 16;
// Columns that are combined together: their accumulators lie in the first cache, and rows are read in long runs.
constexpr int64_t kColumnBlock = 512;
// Accumulators of a row: enough to fill the gaps of an addition's or comparison's latency on two ports.
constexpr int kChains = 8;

template <class V, Reduce kOp>
inline V combine(V acc, V x) {
  switch (kOp) {
    case Reduce::kSum: return acc + x;
    case Reduce::kProd: return acc * x;
    // A NaN in acc survives as the second operand, one in x by the selection.
    case Reduce::kMax: return select(isNan(x), x, max(x, acc));
    case Reduce::kMin: return select(isNan(x), x, min(x, acc));
    case Reduce::kCount: break;
  }
  return acc;
}

// Combines vectors 0 and kChains/2, 1 and kChains/2 + 1, …, then the halves of that.
template <class V, Reduce kOp>
inline V foldChains(V (&acc)[kChains]) {
  for (int width = kChains / 2; width > 0; width /= 2) {
    for (int c = 0; c < width; ++c) acc[c] = combine<V, kOp>(acc[c], acc[c + width]);
  }
  return acc[0];
}

// The whole vectors of a row, the accumulators begun with `start`; i ends after them.
template <class V, Reduce kOp>
inline V combineVectors(int64_t count, const typename V::Element* x, V start, int64_t& i) {
  constexpr int L = V::kLanes;
  V acc[kChains];
  for (int c = 0; c < kChains; ++c) acc[c] = start;
  for (; i + kChains * L <= count; i += kChains * L) {
#pragma GCC unroll 8
    for (int c = 0; c < kChains; ++c) acc[c] = combine<V, kOp>(acc[c], V::load(x + i + c * L));
  }
  for (int c = 0; i + L <= count; i += L, ++c) acc[c] = combine<V, kOp>(acc[c], V::load(x + i));
  return foldChains<V, kOp>(acc);
}

template <class T>
T sumBlock(int64_t count, const T* x) {
  using V = Vec<T>;
  int64_t i = 0;
  V sum = combineVectors<V, Reduce::kSum>(count, x, V::zero(), i);
  if (i < count) sum = sum + V::loadPart(x + i, static_cast<int>(count - i));
  return sumOfLanes(sum);
}

// Block sums are added in double: their number grows with the input, and with it float's error would.
template <class T>
T sumRow(int64_t count, const T* x) {
  double total = 0;
  for (int64_t i = 0; i < count; i += kSumBlock) {
    total += static_cast<double>(sumBlock(count - i < kSumBlock ? count - i : kSumBlock, x + i));
  }
  return static_cast<T>(total);
}

template <class T>
T productRow(int64_t count, const T* x) {
  using V = Vec<T>;
  int64_t i = 0;
  T product = foldLanes(combineVectors<V, Reduce::kProd>(count, x, V::set(1.0), i), [](V p, V q) { return p * q; });
  for (; i < count; ++i) product *= x[i];
  return product;
}

template <class T, Reduce kOp>
T extremeRow(int64_t count, const T* x) {
  using V = Vec<T>;
  int64_t i = 0;
  V acc = combineVectors<V, kOp>(count, x, V::set(x[0]), i);
  for (; i < count; ++i) acc = combine<V, kOp>(acc, V::set(x[i]));
  return foldLanes(acc, [](V p, V q) { return combine<V, kOp>(p, q); });
}

// acc[j] = acc[j] ∘ the combination of kRows rows, as a tree.
template <class V, Reduce kOp, int kRows>
inline void combineRows(int64_t columns, const typename V::Element* x, int64_t stride, typename V::Element* acc) {
  static_assert(kRows == 1 || kRows == 4, "trees of four rows, and single ones");
  forEachVector<V>(columns, [&](int64_t j, int n) {
    V sum = loadUpTo<V>(x + j, n);
    if (kRows == 4) {
      const V b = loadUpTo<V>(x + stride + j, n), c = loadUpTo<V>(x + 2 * stride + j, n),
              d = loadUpTo<V>(x + 3 * stride + j, n);
      sum = combine<V, kOp>(combine<V, kOp>(sum, b), combine<V, kOp>(c, d));
    }
    storeUpTo(combine<V, kOp>(loadUpTo<V>(acc + j, n), sum), acc + j, n);
  });
}

// The neutral element of a combination with the rows from x on.
template <class V, Reduce kOp>
inline void begin(int64_t columns, const typename V::Element* x, typename V::Element* acc) {
  forEachVector<V>(columns, [&](int64_t j, int n) {
    constexpr bool adds = kOp == Reduce::kSum, multiplies = kOp == Reduce::kProd;
    storeUpTo(adds ? V::zero() : (multiplies ? V::set(1.0) : loadUpTo<V>(x + j, n)), acc + j, n);
  });
}

// acc[j] = acc[j] ∘ the combination of `rows` rows: in groups of blocks of trees of four rows, so that a sum's error grows with
// the number of groups, not of rows.
template <class V, Reduce kOp, int64_t kBlock>
void combineBlocks(int64_t rows, int64_t columns, const typename V::Element* x, int64_t stride, typename V::Element* acc) {
  using T = typename V::Element;
  T block[kColumnBlock];
  for (int64_t r = 0; r < rows; r += kBlock) {
    const int64_t height = rows - r < kBlock ? rows - r : kBlock;
    const T* const first = x + r * stride;
    begin<V, kOp>(columns, first, block);
    if constexpr (kBlock == kRowBlock) {
      int64_t i = 0;
      for (; i + 4 <= height; i += 4) combineRows<V, kOp, 4>(columns, first + i * stride, stride, block);
      for (; i < height; ++i) combineRows<V, kOp, 1>(columns, first + i * stride, stride, block);
    } else {
      combineBlocks<V, kOp, kBlock / kTogether>(height, columns, first, stride, block);
    }
    combineRows<V, kOp, 1>(columns, block, 0, acc);
  }
}

template <class T, Reduce kOp>
void reduceColumns(int64_t rows, int64_t columns, const T* x, int64_t stride, T* out) {
  using V = Vec<T>;
  for (int64_t j = 0; j < columns; j += kColumnBlock) {
    const int64_t width = columns - j < kColumnBlock ? columns - j : kColumnBlock;
    begin<V, kOp>(width, x + j, out + j);
    combineBlocks<V, kOp, kRowBlock * kTogether * kTogether>(rows, width, x + j, stride, out + j);
  }
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.reduceRow[static_cast<int>(Reduce::kSum)] = sumRow<T>;
  k.reduceRow[static_cast<int>(Reduce::kProd)] = productRow<T>;
  k.reduceRow[static_cast<int>(Reduce::kMax)] = extremeRow<T, Reduce::kMax>;
  k.reduceRow[static_cast<int>(Reduce::kMin)] = extremeRow<T, Reduce::kMin>;
  k.reduceColumns[static_cast<int>(Reduce::kSum)] = reduceColumns<T, Reduce::kSum>;
  k.reduceColumns[static_cast<int>(Reduce::kProd)] = reduceColumns<T, Reduce::kProd>;
  k.reduceColumns[static_cast<int>(Reduce::kMax)] = reduceColumns<T, Reduce::kMax>;
  k.reduceColumns[static_cast<int>(Reduce::kMin)] = reduceColumns<T, Reduce::kMin>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addReduce(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
