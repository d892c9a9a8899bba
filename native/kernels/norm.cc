// Normalization of rows, and of rows of columns.
#include "lanes.h"
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

constexpr int64_t kMomentBlock = 4096;

// kSums sums of what `each` makes of its vectors, in four chains.
template <class V, int kSums>
struct Sums {
  static constexpr int L = V::kLanes, kChains = 4;
  V chains[kSums][kChains];

  LATENT_INLINE void clear() {
    for (int k = 0; k < kSums; ++k) {
      for (int c = 0; c < kChains; ++c) chains[k][c] = V::zero();
    }
  }
  // Of `size` elements from `from` on.
  template <class Each>
  LATENT_INLINE void add(int64_t from, int64_t size, Each each) {
    const auto one = [&](int64_t at, int c) LATENT_INLINE {
      V made[kSums];
      each(at, L, made);
      for (int k = 0; k < kSums; ++k) chains[k][c] = chains[k][c] + made[k];
    };
    int64_t i = 0;
    for (; i + kChains * L <= size; i += kChains * L) {
#pragma GCC unroll 4
      for (int c = 0; c < kChains; ++c) one(from + i + c * L, c);
    }
    // The rest of a short row is most of it: one chain would wait for itself.
#pragma GCC unroll 4
    for (int c = 0; c < kChains - 1; ++c) {
      if (i + L > size) break;
      one(from + i, c);
      i += L;
    }
    const int rest = static_cast<int>(size - i);
    if (rest == 0) return;
    V made[kSums];
    each(from + i, rest, made);
    for (int k = 0; k < kSums; ++k) {
      V& chain = chains[k][kChains - 1];
      chain = chain + firstLanes(made[k], rest, V::zero());
    }
  }
  LATENT_INLINE void fold(double (&totals)[kSums]) const {
    for (int k = 0; k < kSums; ++k) {
      totals[k] += static_cast<double>(sumOfLanes((chains[k][0] + chains[k][1]) + (chains[k][2] + chains[k][3])));
    }
  }
};

// Sums over a row in pieces of `count`, `stride` apart: in vectors within a block, in double between blocks.
template <class V, int kSums, class Each>
inline LATENT_INLINE void sumsOver(int64_t pieces, int64_t count, int64_t stride, double (&totals)[kSums], Each each) {
  for (double& total : totals) total = 0;
  Sums<V, kSums> sums;
  if (pieces == 1) {
    for (int64_t begin = 0; begin < count; begin += kMomentBlock) {
      sums.clear();
      sums.add(begin, count - begin < kMomentBlock ? count - begin : kMomentBlock, each);
      sums.fold(totals);
    }
    return;
  }
  sums.clear();
  int64_t held = 0;
  for (int64_t piece = 0; piece < pieces; ++piece) {
    for (int64_t begin = 0; begin < count; begin += kMomentBlock) {
      const int64_t size = count - begin < kMomentBlock ? count - begin : kMomentBlock;
      if (held + size > kMomentBlock) {
        sums.fold(totals);
        sums.clear();
        held = 0;
      }
      held += size;
      sums.add(piece * stride + begin, size, each);
    }
  }
  sums.fold(totals);
}

// In double throughout, for rows whose sums or squares leave T's range.
template <class T>
void wideMoments(int64_t pieces, int64_t count, int64_t stride, const T* x, double* mean, double* squares) {
  const double n = static_cast<double>(pieces * count);
  double center = 0, total = 0;
  const auto forEach = [&](auto body) {
    for (int64_t piece = 0; piece < pieces; ++piece) {
      for (int64_t i = 0; i < count; ++i) body(static_cast<double>(x[piece * stride + i]));
    }
  };
  forEach([&](double value) { center += value / n; });
  forEach([&](double value) { total += (value - center) * (value - center); });
  *mean = center;
  *squares = total;
}

template <class T>
void moments(int64_t pieces, int64_t count, int64_t stride, const T* x, double* mean, double* squares) {
  using V = Vec<T>;
  const double n = static_cast<double>(pieces * count);
  double total[1], around[2];
  sumsOver<V>(pieces, count, stride, total, [&](int64_t i, int m, V(&made)[1]) { made[0] = loadUpTo<V>(x + i, m); });
  const double center = total[0] / n;
  const V c = V::set(static_cast<T>(center));
  // The rounding of the mean to T is corrected in double.
  sumsOver<V>(pieces, count, stride, around, [&](int64_t i, int m, V(&made)[2]) {
    made[0] = loadUpTo<V>(x + i, m) - c;
    made[1] = made[0] * made[0];
  });
  const double lost = around[0];
  *mean = static_cast<double>(static_cast<T>(center)) + lost / n;
  *squares = around[1] - lost * lost / n;
  if (*squares < 0) *squares = 0;
  if (!(*squares - *squares == 0)) wideMoments(pieces, count, stride, x, mean, squares);
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
void normSums(int64_t count, const T* g, const T* gamma, const T* x, T mean, T scale, T* gammas, T* betas, double* plain,
              double* along) {
  using V = Vec<T>;
  const V m = V::set(mean), s = V::set(scale);
  double totals[2];
  sumsOver<V>(1, count, count, totals, [&](int64_t i, int n, V(&made)[2]) {
    V h = loadUpTo<V>(g + i, n);
    const V v = (loadUpTo<V>(x + i, n) - m) * s;
    if (gammas != nullptr) storeUpTo(loadUpTo<V>(gammas + i, n) + h * v, gammas + i, n);
    if (betas != nullptr) storeUpTo(loadUpTo<V>(betas + i, n) + h, betas + i, n);
    if (gamma != nullptr) h = h * loadUpTo<V>(gamma + i, n);
    made[0] = h;
    made[1] = h * v;
  });
  *plain = totals[0];
  *along = totals[1];
}

template <class T>
void channelSums(int64_t pieces, int64_t count, int64_t stride, const T* g, const T* x, T mean, T scale, double* plain,
                 double* along) {
  using V = Vec<T>;
  const V m = V::set(mean), s = V::set(scale);
  double totals[2];
  sumsOver<V>(pieces, count, stride, totals, [&](int64_t i, int n, V(&made)[2]) {
    made[0] = loadUpTo<V>(g + i, n);
    made[1] = made[0] * ((loadUpTo<V>(x + i, n) - m) * s);
  });
  *plain = totals[0];
  *along = totals[1];
}

template <class T>
void normSlope(int64_t count, const T* g, T weight, const T* gamma, const T* x, T mean, T scale, T plain, T along, T factor,
               T* out) {
  using V = Vec<T>;
  const V m = V::set(mean), s = V::set(scale), p = V::set(plain), a = V::set(along), f = V::set(factor), w = V::set(weight);
  forEachVector<V>(count, [&](int64_t i, int n) {
    V h = loadUpTo<V>(g + i, n) * w;
    if (gamma != nullptr) h = h * loadUpTo<V>(gamma + i, n);
    storeUpTo(f * (h - p - (loadUpTo<V>(x + i, n) - m) * s * a), out + i, n);
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
void deviationsOfColumns(int64_t count, const T* x, const T* center, T* sums, T* squares) {
  using V = Vec<T>;
  forEachVector<V>(count, [&](int64_t i, int n) {
    const V d = loadUpTo<V>(x + i, n) - loadUpTo<V>(center + i, n);
    storeUpTo(loadUpTo<V>(sums + i, n) + d, sums + i, n);
    storeUpTo(loadUpTo<V>(squares + i, n) + d * d, squares + i, n);
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
  k.channelSums = channelSums<T>;
  k.normSlope = normSlope<T>;
  k.normalizeColumns = normalizeColumns<T>;
  k.deviationsOfColumns = deviationsOfColumns<T>;
  k.normColumns = normColumns<T>;
  k.normSlopeColumns = normSlopeColumns<T>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addNorm(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
