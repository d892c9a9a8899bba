// Normalization of rows, and of rows of columns.
#include "lanes.h"
#include "parts.h"

LATENT_ISA_BEGIN

constexpr int64_t kMomentBlock = 4096;

// Σ of what `each` makes of the vectors of a row: in vectors within a block, in double between blocks.
template <class V, class Each>
inline double sumOver(int64_t count, Each each) {
  double total = 0;
  for (int64_t begin = 0; begin < count; begin += kMomentBlock) {
    const int64_t size = count - begin < kMomentBlock ? count - begin : kMomentBlock;
    V sums[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    int64_t i = 0;
    for (; i + 4 * V::kLanes <= size; i += 4 * V::kLanes) {
      for (int c = 0; c < 4; ++c) sums[c] = sums[c] + each(begin + i + c * V::kLanes, static_cast<int>(V::kLanes));
    }
    for (; i + V::kLanes <= size; i += V::kLanes) sums[0] = sums[0] + each(begin + i, static_cast<int>(V::kLanes));
    V sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    if (i < size) {
      typename V::Element lanes[V::kLanes] = {};
      const int n = static_cast<int>(size - i);
      each(begin + i, n).storePart(lanes, n);
      sum = sum + V::load(lanes);
    }
    total += static_cast<double>(foldLanes(sum, [](auto p, auto q) { return p + q; }));
  }
  return total;
}

template <class T>
void moments(int64_t count, const T* x, double* mean, double* squares) {
  using V = Vec<T>;
  const double n = static_cast<double>(count);
  const double center = sumOver<V>(count, [&](int64_t i, int m) { return loadUpTo<V>(x + i, m); }) / n;
  const V c = V::set(static_cast<T>(center));
  // What rounding the mean to T took is put back in double.
  const double lost = sumOver<V>(count, [&](int64_t i, int m) { return loadUpTo<V>(x + i, m) - c; });
  const double around = sumOver<V>(count, [&](int64_t i, int m) {
    const V d = loadUpTo<V>(x + i, m) - c;
    return d * d;
  });
  *mean = static_cast<double>(static_cast<T>(center)) + lost / n;
  *squares = around - lost * lost / n;
  if (*squares < 0) *squares = 0;
}

template <class T>
void normalizeRow(int64_t count, const T* x, T mean, T scale, T shift, const T* gamma, const T* beta, T* out) {
  using V = Vec<T>;
  const V m = V::set(mean), s = V::set(scale), b = V::set(shift);
  forEachVector<V>(count, [&](int64_t i, int n) {
    V y = (loadUpTo<V>(x + i, n) - m) * s;
    if (gamma != nullptr) y = y * loadUpTo<V>(gamma + i, n);
    storeUpTo(y + (beta != nullptr ? loadUpTo<V>(beta + i, n) : b), out + i, n);
  });
}

template <class T>
void normSums(int64_t count, const T* g, const T* gamma, const T* x, T mean, T scale, double* plain, double* along) {
  using V = Vec<T>;
  const V m = V::set(mean), s = V::set(scale);
  const auto h = [&](int64_t i, int n) {
    const V v = loadUpTo<V>(g + i, n);
    return gamma == nullptr ? v : v * loadUpTo<V>(gamma + i, n);
  };
  *plain = sumOver<V>(count, h);
  *along = sumOver<V>(count, [&](int64_t i, int n) { return h(i, n) * ((loadUpTo<V>(x + i, n) - m) * s); });
}

template <class T>
void normSlope(int64_t count, const T* g, T weight, const T* gamma, const T* x, T mean, T scale, T plain, T along,
               T factor, T* out) {
  using V = Vec<T>;
  const V m = V::set(mean), s = V::set(scale), p = V::set(plain), a = V::set(along), f = V::set(factor),
          w = V::set(weight);
  forEachVector<V>(count, [&](int64_t i, int n) {
    V h = loadUpTo<V>(g + i, n) * w;
    if (gamma != nullptr) h = h * loadUpTo<V>(gamma + i, n);
    storeUpTo(f * (h - p - (loadUpTo<V>(x + i, n) - m) * s * a), out + i, n);
  });
}

template <class T>
void normParameters(int64_t count, const T* g, const T* x, T mean, T scale, T* gammas, T* betas) {
  using V = Vec<T>;
  const V m = V::set(mean), s = V::set(scale);
  forEachVector<V>(count, [&](int64_t i, int n) {
    const V v = loadUpTo<V>(g + i, n);
    if (gammas != nullptr) {
      storeUpTo(loadUpTo<V>(gammas + i, n) + v * ((loadUpTo<V>(x + i, n) - m) * s), gammas + i, n);
    }
    if (betas != nullptr) storeUpTo(loadUpTo<V>(betas + i, n) + v, betas + i, n);
  });
}

template <class T>
void normalizeColumns(int64_t count, const T* x, const T* mean, const T* scale, const T* shift, T* out) {
  using V = Vec<T>;
  forEachVector<V>(count, [&](int64_t i, int n) {
    const V d = loadUpTo<V>(x + i, n) - loadUpTo<V>(mean + i, n);
    storeUpTo(d * loadUpTo<V>(scale + i, n) + loadUpTo<V>(shift + i, n), out + i, n);
  });
}

template <class T>
void squaresOfColumns(int64_t count, const T* x, const T* mean, T* sums) {
  using V = Vec<T>;
  forEachVector<V>(count, [&](int64_t i, int n) {
    const V d = loadUpTo<V>(x + i, n) - loadUpTo<V>(mean + i, n);
    storeUpTo(loadUpTo<V>(sums + i, n) + d * d, sums + i, n);
  });
}

template <class T>
void normColumns(int64_t count, const T* g, const T* x, const T* mean, const T* scale, T* plain, T* along) {
  using V = Vec<T>;
  forEachVector<V>(count, [&](int64_t i, int n) {
    const V h = loadUpTo<V>(g + i, n);
    const V v = (loadUpTo<V>(x + i, n) - loadUpTo<V>(mean + i, n)) * loadUpTo<V>(scale + i, n);
    storeUpTo(loadUpTo<V>(plain + i, n) + h, plain + i, n);
    storeUpTo(loadUpTo<V>(along + i, n) + h * v, along + i, n);
  });
}

template <class T>
void normSlopeColumns(int64_t count, const T* g, const T* x, const T* mean, const T* scale, const T* plain, const T* along,
                      const T* factor, T* out) {
  using V = Vec<T>;
  forEachVector<V>(count, [&](int64_t i, int n) {
    const V v = (loadUpTo<V>(x + i, n) - loadUpTo<V>(mean + i, n)) * loadUpTo<V>(scale + i, n);
    const V rest = loadUpTo<V>(g + i, n) - loadUpTo<V>(plain + i, n) - v * loadUpTo<V>(along + i, n);
    storeUpTo(loadUpTo<V>(factor + i, n) * rest, out + i, n);
  });
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.moments = moments<T>;
  k.normalizeRow = normalizeRow<T>;
  k.normSums = normSums<T>;
  k.normSlope = normSlope<T>;
  k.normParameters = normParameters<T>;
  k.normalizeColumns = normalizeColumns<T>;
  k.squaresOfColumns = squaresOfColumns<T>;
  k.normColumns = normColumns<T>;
  k.normSlopeColumns = normSlopeColumns<T>;
}

LATENT_ISA_END

void latent::LATENT_ISA::addNorm(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
