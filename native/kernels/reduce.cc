// Sums and extremes of a row, and of each column of a block of rows.
#include "lanes.h"
#include "parts.h"

LATENT_ISA_BEGIN

constexpr int64_t kSumBlock = 4096;
constexpr int64_t kRowBlock = 128;

template <class V, Reduce kOp>
inline V combine(V acc, V x) {
  switch (kOp) {
    case Reduce::kSum: return acc + x;
    // A NaN in acc survives as the second operand, one in x by the selection.
    case Reduce::kMax: return select(isNan(x), x, max(x, acc));
    case Reduce::kMin: return select(isNan(x), x, min(x, acc));
    case Reduce::kCount: break;
  }
  return acc;
}

template <class T>
T sumBlock(int64_t count, const T* x) {
  using V = Vec<T>;
  constexpr int L = V::kLanes;
  V a = V::zero(), b = V::zero(), c = V::zero(), d = V::zero();
  int64_t i = 0;
  for (; i + 4 * L <= count; i += 4 * L) {
    a = a + V::load(x + i);
    b = b + V::load(x + i + L);
    c = c + V::load(x + i + 2 * L);
    d = d + V::load(x + i + 3 * L);
  }
  for (; i + L <= count; i += L) a = a + V::load(x + i);
  if (i < count) b = b + V::loadPart(x + i, static_cast<int>(count - i));
  return foldLanes((a + b) + (c + d), [](T p, T q) { return p + q; });
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

template <class T, Reduce kOp>
T extremeRow(int64_t count, const T* x) {
  using V = Vec<T>;
  V acc = V::set(x[0]);
  int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) acc = combine<V, kOp>(acc, V::load(x + i));
  for (; i < count; ++i) acc = combine<V, kOp>(acc, V::set(x[i]));
  return foldLanes(acc, [](T p, T q) {
    if (p != p) return p;
    if (q != q) return q;
    return (kOp == Reduce::kMax) == (p > q) ? p : q;
  });
}

// Sums go through partial sums of kRowBlock rows, so that the error grows with the blocks, not with the rows.
template <class T, Reduce kOp>
void reduceColumns(int64_t rows, int64_t columns, const T* x, int64_t stride, T* out) {
  using V = Vec<T>;
  forEachVector<V>(columns, [&](int64_t j, int n) {
    V total = rows > 0 && kOp != Reduce::kSum ? loadUpTo<V>(x + j, n) : V::zero();
    for (int64_t r0 = 0; r0 < rows; r0 += kRowBlock) {
      const int64_t r1 = r0 + kRowBlock < rows ? r0 + kRowBlock : rows;
      V acc = loadUpTo<V>(x + r0 * stride + j, n);
      for (int64_t r = r0 + 1; r < r1; ++r) acc = combine<V, kOp>(acc, loadUpTo<V>(x + r * stride + j, n));
      total = combine<V, kOp>(total, acc);
    }
    storeUpTo(total, out + j, n);
  });
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.reduceRow[static_cast<int>(Reduce::kSum)] = sumRow<T>;
  k.reduceRow[static_cast<int>(Reduce::kMax)] = extremeRow<T, Reduce::kMax>;
  k.reduceRow[static_cast<int>(Reduce::kMin)] = extremeRow<T, Reduce::kMin>;
  k.reduceColumns[static_cast<int>(Reduce::kSum)] = reduceColumns<T, Reduce::kSum>;
  k.reduceColumns[static_cast<int>(Reduce::kMax)] = reduceColumns<T, Reduce::kMax>;
  k.reduceColumns[static_cast<int>(Reduce::kMin)] = reduceColumns<T, Reduce::kMin>;
}

LATENT_ISA_END

void latent::LATENT_ISA::addReduce(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
