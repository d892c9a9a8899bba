// Softmax and its logarithm over one contiguous row, shifted by the row's maximum.
#include "lanes.h"
#include "math.h"
#include "parts.h"

LATENT_ISA_BEGIN

template <class T>
T maximumOf(int64_t count, const T* x) {
  using V = Vec<T>;
  V acc = V::set(x[0]);
  forEachVector<V>(count, [&](int64_t i, int n) {
    const V v = n == V::kLanes ? V::load(x + i) : V::set(x[i]);
    acc = max(v, acc);
    for (int j = 1; n < V::kLanes && j < n; ++j) acc = max(V::set(x[i + j]), acc);
  });
  return foldLanes(acc, [](T p, T q) { return p > q ? p : q; });
}

// The shift of a logarithm: the row's maximum, or 0 where that is infinite or NaN, so that no infinity is subtracted
// from itself and a row with +infinity sums to it.
template <class T>
T finiteShiftOf(int64_t count, const T* x) {
  const T m = maximumOf(count, x);
  return m - m == T(0) ? m : T(0);
}

// The shift of a softmax: +infinity stays, so that its row becomes NaN throughout, as the quotient of infinities is.
template <class T>
T shiftOf(int64_t count, const T* x) {
  const T m = maximumOf(count, x);
  return m == -static_cast<T>(__builtin_inf()) ? T(0) : m;
}

// Σ exp(x - shift), each term also stored when `out` is given.
template <class T>
T sumOfExps(int64_t count, const T* x, T shift, T* out) {
  using V = Vec<T>;
  const V s = V::set(shift);
  V total = V::zero();
  forEachVector<V>(count, [&](int64_t i, int n) {
    const V e = expOf(loadUpTo<V>(x + i, n) - s);
    if (out != nullptr) storeUpTo(e, out + i, n);
    if (n == V::kLanes) {
      total = total + e;
    } else {
      T lanes[V::kLanes];
      e.store(lanes);
      total = total + V::loadPart(lanes, n);
    }
  });
  return foldLanes(total, [](T p, T q) { return p + q; });
}

template <class T>
T logOfOne(T x) {
  T lanes[Vec<T>::kLanes];
  logOf(Vec<T>::set(x)).store(lanes);
  return lanes[0];
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

inline double foldSum(Vec<double> acc) {
  return foldLanes(acc, [](double p, double q) { return p + q; });
}

template <class T>
void softmaxGradientRow(int64_t count, const T* g, const T* y, T* out) {
  using V = Vec<T>;
  Vec<double> acc = Vec<double>::zero();
  forEachVector<V>(count, [&](int64_t i, int n) { acc = addProducts(acc, loadUpTo<V>(g + i, n), loadUpTo<V>(y + i, n)); });
  const V total = V::set(static_cast<T>(foldSum(acc)));
  forEachVector<V>(count, [&](int64_t i, int n) {
    storeUpTo(loadUpTo<V>(y + i, n) * (loadUpTo<V>(g + i, n) - total), out + i, n);
  });
}

template <class T>
void logSoftmaxGradientRow(int64_t count, const T* g, const T* y, T* out) {
  using V = Vec<T>;
  const V one = V::set(T(1));
  Vec<double> acc = Vec<double>::zero();
  forEachVector<V>(count, [&](int64_t i, int n) { acc = addProducts(acc, loadUpTo<V>(g + i, n), one); });
  const V total = V::set(static_cast<T>(foldSum(acc)));
  forEachVector<V>(count, [&](int64_t i, int n) {
    storeUpTo(loadUpTo<V>(g + i, n) - expOf(loadUpTo<V>(y + i, n)) * total, out + i, n);
  });
}

template <class T>
T crossEntropyRow(int64_t count, const T* x, int64_t label) {
  const T shift = finiteShiftOf(count, x);
  return logOfOne(sumOfExps<T>(count, x, shift, nullptr)) - (x[label] - shift);
}

template <class T>
void crossEntropyGradientRow(int64_t count, const T* x, int64_t label, T g, T* out) {
  using V = Vec<T>;
  const T shift = shiftOf(count, x);
  const V scale = V::set(g / sumOfExps(count, x, shift, out));
  forEachVector<V>(count, [&](int64_t i, int n) { storeUpTo(loadUpTo<V>(out + i, n) * scale, out + i, n); });
  out[label] -= g;
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.crossEntropyRow = crossEntropyRow<T>;
  k.crossEntropyGradientRow = crossEntropyGradientRow<T>;
  k.softmaxGradientRow = softmaxGradientRow<T>;
  k.logSoftmaxGradientRow = logSoftmaxGradientRow<T>;
  k.softmaxRow = softmaxRow<T>;
  k.logSoftmaxRow = logSoftmaxRow<T>;
  k.logSumExpRow = logSumExpRow<T>;
}

LATENT_ISA_END

void latent::LATENT_ISA::addSoftmax(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
