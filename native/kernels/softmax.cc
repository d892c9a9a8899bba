// Softmax, its logarithm and cross-entropy over contiguous rows, each shifted by its maximum.
#include "lanes.h"
#include "math.h"
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

// Rows of at most so many elements are worked on side by side, one to a lane: what a row is folded into is then a vector.
constexpr int kNarrow = 32;

// As many rows as a vector has lanes, turned: a vector for each column. Lanes beyond the rows hold zeros.
template <class T>
class Columns {
 public:
  using V = Vec<T>;

  Columns(int rows, int count, const T* x) : rows_(rows), count_(count) {
    V square[V::kLanes];
    for (int begin = 0; begin < count; begin += V::kLanes) {
      const int n = widthAt(begin);
      for (int r = 0; r < V::kLanes; ++r) square[r] = r < rows ? loadUpTo<V>(x + r * count + begin, n) : V::zero();
      V::transpose(square);
      for (int c = 0; c < n; ++c) v_[begin + c] = square[c];
    }
  }

  void store(T* out) const {
    V square[V::kLanes];
    for (int begin = 0; begin < count_; begin += V::kLanes) {
      const int n = widthAt(begin);
      for (int c = 0; c < V::kLanes; ++c) square[c] = c < n ? v_[begin + c] : V::zero();
      V::transpose(square);
      for (int r = 0; r < rows_; ++r) storeUpTo(square[r], out + r * count_ + begin, n);
    }
  }

  V maximum() const {
    V m = V::set(-static_cast<T>(__builtin_inf()));
    for (int c = 0; c < count_; ++c) m = max(v_[c], m);
    return m;
  }

  // Puts exp(x - shift) in place of each x, and answers their sum.
  V takeExps(V shift) {
    V total = V::zero();
    for (int c = 0; c < count_; ++c) total = total + (v_[c] = expOf(v_[c] - shift));
    return total;
  }

  V sumOfExps(V shift) const {
    V total = V::zero();
    for (int c = 0; c < count_; ++c) total = total + expOf(v_[c] - shift);
    return total;
  }

  // f of each element, of a vector of them at once.
  template <class F>
  void map(F f) {
    for (int c = 0; c < count_; ++c) v_[c] = f(v_[c]);
  }

 private:
  int widthAt(int begin) const { return count_ - begin < V::kLanes ? count_ - begin : V::kLanes; }

  int rows_, count_;
  V v_[kNarrow];
};

// Calls each(first, n) for as many rows at a time as a vector has lanes.
template <class V, class F>
void forRowsAbreast(int64_t rows, F each) {
  forEachVector<V>(rows, [&](int64_t first, int n) { each(first, n); });
}

template <class T>
T maximumOf(int64_t count, const T* x) {
  using V = Vec<T>;
  constexpr int kChains = 4;
  V acc[kChains];
  for (V& one : acc) one = V::set(x[0]);
  int64_t i = 0;
  for (; i + kChains * V::kLanes <= count; i += kChains * V::kLanes) {
#pragma GCC unroll 4
    for (int c = 0; c < kChains; ++c) acc[c] = max(V::load(x + i + c * V::kLanes), acc[c]);
  }
  forEachVector<V>(count - i, [&](int64_t at, int n) {
    const V v = loadUpTo<V>(x + i + at, n);
    acc[0] = max(n == V::kLanes ? v : firstLanes(v, n, acc[0]), acc[0]);
  });
  return maximumOfLanes(max(max(acc[0], acc[1]), max(acc[2], acc[3])));
}

// The shift of a logarithm: the row's maximum, or 0 where that is infinite or NaN, so that no infinity is subtracted
// from itself and a row with +infinity sums to it.
template <class T>
T finiteShiftOf(int64_t count, const T* x) {
  const T m = maximumOf(count, x);
  return m - m == T(0) ? m : T(0);
}

template <class T>
Vec<T> finiteShiftOf(const Columns<T>& columns) {
  using V = Vec<T>;
  const V m = columns.maximum();
  return select(m - m == V::zero(), m, V::zero());
}

// The shift of a softmax: +infinity stays, so that its row becomes NaN throughout, as the quotient of infinities is.
template <class T>
T shiftOf(int64_t count, const T* x) {
  const T m = maximumOf(count, x);
  return m == -static_cast<T>(__builtin_inf()) ? T(0) : m;
}

template <class T>
Vec<T> shiftOf(const Columns<T>& columns) {
  using V = Vec<T>;
  const V m = columns.maximum();
  return select(m == V::set(-static_cast<T>(__builtin_inf())), V::zero(), m);
}

// Σ exp(x - shift), each term also stored when `out` is given.
template <class T>
T sumOfExps(int64_t count, const T* x, T shift, T* out) {
  using V = Vec<T>;
  constexpr int64_t kTogether = kChain * V::kLanes;
  const V s = V::set(shift);
  V total = V::zero();
  for (int64_t begin = 0; begin < count; begin += kTogether) {
    V sum = V::zero();
    forEachVector<V>(count - begin < kTogether ? count - begin : kTogether, [&](int64_t i, int n) {
      const V e = expOf(loadUpTo<V>(x + begin + i, n) - s);
      if (out != nullptr) storeUpTo(e, out + begin + i, n);
      sum = sum + (n == V::kLanes ? e : firstLanes(e, n, V::zero()));
    });
    total = total + sum;
  }
  return sumOfLanes(total);
}

template <class T>
T logOfOne(T x) {
  return logOf(Vec<T>::set(x)).lane0();
}

template <class T>
void softmaxRow(int64_t count, const T* x, T* out) {
  using V = Vec<T>;
  if (count == 0) return;
  const V total = V::set(sumOfExps(count, x, shiftOf(count, x), out));
  forEachVector<V>(count, [&](int64_t i, int n) { storeUpTo(loadUpTo<V>(out + i, n) / total, out + i, n); });
}

template <class T>
T logSumExpRow(int64_t count, const T* x) {
  if (count == 0) return -static_cast<T>(__builtin_inf());
  const T shift = finiteShiftOf(count, x);
  return shift + logOfOne(sumOfExps<T>(count, x, shift, nullptr));
}

template <class T>
void logSoftmaxRow(int64_t count, const T* x, T* out) {
  using V = Vec<T>;
  if (count == 0) return;
  const T shift = shiftOf(count, x);
  const V s = V::set(shift), logTotal = V::set(logOfOne(sumOfExps<T>(count, x, shift, nullptr)));
  forEachVector<V>(count, [&](int64_t i, int n) { storeUpTo((loadUpTo<V>(x + i, n) - s) - logTotal, out + i, n); });
}

template <class T>
void softmaxGradientRow(int64_t count, const T* g, const T* y, T* out) {
  using V = Vec<T>;
  Vec<double> acc = Vec<double>::zero();
  forEachVector<V>(count, [&](int64_t i, int n) { acc = addProducts(acc, loadUpTo<V>(g + i, n), loadUpTo<V>(y + i, n)); });
  const V total = V::set(static_cast<T>(sumOfLanes(acc)));
  forEachVector<V>(
      count, [&](int64_t i, int n) { storeUpTo(loadUpTo<V>(y + i, n) * (loadUpTo<V>(g + i, n) - total), out + i, n); });
}

template <class T>
void logSoftmaxGradientRow(int64_t count, const T* g, const T* y, T* out) {
  using V = Vec<T>;
  const V one = V::set(T(1));
  Vec<double> acc = Vec<double>::zero();
  forEachVector<V>(count, [&](int64_t i, int n) { acc = addProducts(acc, loadUpTo<V>(g + i, n), one); });
  const V total = V::set(static_cast<T>(sumOfLanes(acc)));
  forEachVector<V>(count, [&](int64_t i, int n) {
    storeUpTo(loadUpTo<V>(g + i, n) - expOf(loadUpTo<V>(y + i, n)) * total, out + i, n);
  });
}

template <class T>
void crossEntropyRows(int64_t rows, int64_t count, const T* x, const int64_t* labels, T* out) {
  using V = Vec<T>;
  if (count > kNarrow) {
    for (int64_t i = 0; i < rows; ++i, x += count) {
      const T shift = finiteShiftOf(count, x);
      out[i] = logOfOne(sumOfExps<T>(count, x, shift, nullptr)) - (x[labels[i]] - shift);
    }
    return;
  }
  forRowsAbreast<V>(rows, [&](int64_t first, int n) {
    const T* const begin = x + first * count;
    const Columns<T> columns(n, static_cast<int>(count), begin);
    const V shift = finiteShiftOf(columns);
    T picked[V::kLanes] = {};
    for (int r = 0; r < n; ++r) picked[r] = begin[r * count + labels[first + r]];
    storeUpTo(logOf(columns.sumOfExps(shift)) - (V::load(picked) - shift), out + first, n);
  });
}

template <class T>
void crossEntropyGradientRows(int64_t rows, int64_t count, const T* x, const int64_t* labels, const T* g, T* out) {
  using V = Vec<T>;
  if (count > kNarrow) {
    for (int64_t i = 0; i < rows; ++i, x += count, out += count) {
      const T shift = shiftOf(count, x);
      const V scale = V::set(g[i] / sumOfExps(count, x, shift, out));
      forEachVector<V>(count, [&](int64_t c, int n) { storeUpTo(loadUpTo<V>(out + c, n) * scale, out + c, n); });
      out[labels[i]] -= g[i];
    }
    return;
  }
  forRowsAbreast<V>(rows, [&](int64_t first, int n) {
    T* const begin = out + first * count;
    Columns<T> columns(n, static_cast<int>(count), x + first * count);
    const V shift = shiftOf(columns);
    const V scale = loadUpTo<V>(g + first, n) / columns.takeExps(shift);
    columns.map([&](V e) { return e * scale; });
    columns.store(begin);
    for (int r = 0; r < n; ++r) begin[r * count + labels[first + r]] -= g[first + r];
  });
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.crossEntropyRows = crossEntropyRows<T>;
  k.crossEntropyGradientRows = crossEntropyGradientRows<T>;
  k.softmaxGradientRow = softmaxGradientRow<T>;
  k.logSoftmaxGradientRow = logSoftmaxGradientRow<T>;
  k.softmaxRow = softmaxRow<T>;
  k.logSoftmaxRow = logSoftmaxRow<T>;
  k.logSumExpRow = logSumExpRow<T>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addSoftmax(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
