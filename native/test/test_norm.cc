// The kernels of normalization, of every instruction set, at every length around the vectors'.
#include <limits>
#include <vector>

#include "check.h"
#include "closeness.h"
#include "generator.h"
#include "guard.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

template <class T>
class Sweep {
 public:
  Sweep(const KernelTable& table, uint64_t seed) : table_(table), kernel_(floatKernels<T>(table)), random_(seed) {
    for (Guarded*& memory : memories_) memory = new Guarded(size_t(1) << 17);
  }
  ~Sweep() {
    for (Guarded* memory : memories_) delete memory;
  }

  void run() {
    std::vector<int64_t> counts{4095, 4096, 4097, 9000};
    for (int64_t n = 0; n <= 5 * kWidest<T> + 1; ++n) counts.push_back(n);
    for (int64_t count : counts) {
      for (Place place : {Place::kEnding, Place::kBeginning}) {
        for (int64_t pieces : {1, 2, 7}) {
          if (count > 0 && pieces * count < 10000) inPieces(pieces, count, place);
        }
        for (int flags = 0; flags < 4; ++flags) rows(count, place, flags);
        columns(count, place);
      }
    }
    offset();
    betweenNumbers();
  }

 private:
  using Real = double;
  static constexpr double kEps = static_cast<double>(std::numeric_limits<T>::epsilon());

  // The k-th buffer, filled with numbers from [-1, 1).
  T* take(int k, int64_t count, Place place) {
    T* p = memories_[k]->template take<T>(count, place);
    for (int64_t i = 0; i < count; ++i) p[i] = static_cast<T>(random_.uniform(-1, 1));
    return p;
  }

  void untouched(const char* what) {
    for (int k = 0; k < used_; ++k)
      LATENT_CHECK(memories_[k]->untouchedOutside(), "%s: %s wrote outside", caseText(), what);
  }

  void expect(const char* what, T got, Real want, double absolute, int64_t i) {
    LATENT_CHECK(close(got, want, 16, absolute), "%s: %s[%lld] is %.17g instead of %.17g", caseText(), what, wide(i),
                 static_cast<double>(got), want);
  }

  void sum(const char* what, double got, Real want, int64_t count) {
    const double allowed = 8 * kEps * (1 + std::sqrt(static_cast<double>(count)) * 4);
    LATENT_CHECK(std::fabs(got - want) <= allowed * (1 + std::fabs(want)), "%s: %s is %.17g instead of %.17g", caseText(),
                 what, got, want);
  }

  // Pieces between which lies what must not be read.
  void inPieces(int64_t pieces, int64_t count, Place place) {
    setCase("%s %s pieces=%lld count=%lld place=%d", table_.name, typeName<T>(), wide(pieces), wide(count),
            static_cast<int>(place));
    used_ = 2;
    const int64_t stride = pieces == 1 ? count : count + 3, all = (pieces - 1) * stride + count;
    T *x = take(0, all, place), *g = take(1, all, place);
    std::vector<int64_t> places;
    for (int64_t i = 0; i < all; ++i) {
      if (i % stride < count) places.push_back(i);
      else x[i] = g[i] = std::numeric_limits<T>::quiet_NaN();
    }
    const int64_t n = pieces * count;
    Real mean = 0, squares = 0;
    for (int64_t i : places) mean += static_cast<Real>(x[i]) / static_cast<Real>(n);
    for (int64_t i : places) squares += (static_cast<Real>(x[i]) - mean) * (static_cast<Real>(x[i]) - mean);
    double gotMean, gotSquares;
    kernel_.moments(pieces, count, stride, x, &gotMean, &gotSquares);
    sum("the mean", gotMean, mean, 1);
    sum("the squares", gotSquares, squares, n);
    LATENT_CHECK(gotSquares >= 0, "%s: squares below 0", caseText());
    untouched("moments");

    Real sums[2] = {0, 0};
    for (int64_t i : places) {
      sums[0] += static_cast<Real>(g[i]);
      sums[1] += static_cast<Real>(g[i]) * (static_cast<Real>(x[i]) - 0.25) * 1.5;
    }
    double gotPlain, gotAlong;
    kernel_.channelSums(pieces, count, stride, g, x, T(0.25), T(1.5), &gotPlain, &gotAlong);
    sum("the plain sum", gotPlain, sums[0], n);
    sum("the sum along", gotAlong, sums[1], n);
    untouched("channelSums");
  }

  // flags: with gamma, with beta.
  void rows(int64_t count, Place place, int flags) {
    setCase("%s %s rows count=%lld place=%d flags=%d", table_.name, typeName<T>(), wide(count), static_cast<int>(place),
            flags);
    used_ = 5;
    const T *x = take(0, count, place), *g = take(1, count, place), *gamma = take(2, count, place);
    T *beta = take(3, count, place), *out = take(4, count, place);
    const T* const weights = (flags & 1) != 0 ? gamma : nullptr;
    const T* const shifts = (flags & 2) != 0 ? beta : nullptr;
    const T mean = T(0.25), scale = T(1.5), shift = T(-0.5), weight = T(0.75), plain = T(0.125), along = T(-0.375);
    const auto n = [&](int64_t i) { return (static_cast<Real>(x[i]) - 0.25) * 1.5; };
    const auto factor = [&](int64_t i) { return weights == nullptr ? 1 : static_cast<Real>(weights[i]); };

    kernel_.normalizeRow(count, x, mean, scale, shift, weights, shifts, out);
    for (int64_t i = 0; i < count; ++i) {
      expect("normalizeRow", out[i], n(i) * factor(i) + (shifts == nullptr ? -0.5 : static_cast<Real>(shifts[i])), 8 * kEps,
             i);
    }
    untouched("normalizeRow");

    Real sums[2] = {0, 0};
    for (int64_t i = 0; i < count; ++i) {
      const Real h = static_cast<Real>(g[i]) * factor(i);
      sums[0] += h;
      sums[1] += h * n(i);
    }
    double gotPlain, gotAlong;
    const std::vector<Real> before(beta, beta + count), held(out, out + count);
    kernel_.normSums(count, g, weights, x, mean, scale, (flags & 1) != 0 ? out : nullptr, (flags & 2) != 0 ? beta : nullptr,
                     &gotPlain, &gotAlong);
    sum("the plain sum", gotPlain, sums[0], count);
    sum("the sum along", gotAlong, sums[1], count);
    for (int64_t i = 0; i < count; ++i) {
      const size_t k = static_cast<size_t>(i);
      expect("gammas", out[i], held[k] + ((flags & 1) != 0 ? static_cast<Real>(g[i]) * n(i) : 0), 16 * kEps, i);
      expect("betas", beta[i], before[k] + ((flags & 2) != 0 ? static_cast<Real>(g[i]) : 0), 8 * kEps, i);
    }
    untouched("normSums");

    kernel_.normSlope(count, g, weight, weights, x, mean, scale, plain, along, T(2), out);
    for (int64_t i = 0; i < count; ++i) {
      expect("normSlope", out[i], 2 * (static_cast<Real>(g[i]) * 0.75 * factor(i) - 0.125 + n(i) * 0.375), 16 * kEps, i);
    }
    untouched("normSlope");
  }

  void columns(int64_t count, Place place) {
    setCase("%s %s columns count=%lld place=%d", table_.name, typeName<T>(), wide(count), static_cast<int>(place));
    used_ = 7;
    const T *x = take(0, count, place), *g = take(1, count, place), *mean = take(2, count, place);
    const T *scale = take(3, count, place), *shift = take(4, count, place);
    T *out = take(5, count, place), *other = take(6, count, place);
    const auto real = [](T v) { return static_cast<Real>(v); };
    const auto n = [&](int64_t i) { return (real(x[i]) - real(mean[i])) * real(scale[i]); };

    kernel_.normalizeColumns(count, x, mean, scale, shift, out);
    for (int64_t i = 0; i < count; ++i) expect("normalizeColumns", out[i], n(i) + real(shift[i]), 8 * kEps, i);

    std::vector<Real> first(out, out + count), second(other, other + count);
    kernel_.normColumns(count, g, x, mean, scale, out, other);
    for (int64_t i = 0; i < count; ++i) {
      const size_t k = static_cast<size_t>(i);
      expect("plain", out[i], first[k] + real(g[i]), 8 * kEps, i);
      expect("along", other[i], second[k] + real(g[i]) * n(i), 16 * kEps, i);
    }
    first.assign(out, out + count);
    second.assign(other, other + count);
    kernel_.deviationsOfColumns(count, x, mean, out, other);
    for (int64_t i = 0; i < count; ++i) {
      const size_t k = static_cast<size_t>(i);
      expect("deviations", out[i], first[k] + real(x[i]) - real(mean[i]), 32 * kEps, i);
      expect("squares", other[i], second[k] + std::pow(real(x[i]) - real(mean[i]), 2), 32 * kEps, i);
    }
    const T *plain = shift, *along = other, *factor = g;
    kernel_.normSlopeColumns(count, g, x, mean, scale, plain, along, factor, out);
    for (int64_t i = 0; i < count; ++i) {
      expect("normSlopeColumns", out[i], real(factor[i]) * (real(g[i]) - real(plain[i]) - n(i) * real(along[i])), 32 * kEps,
             i);
    }
    untouched("the columns");
  }

  // A mean that is large beside the spread leaves the spread its digits.
  void offset() {
    const int64_t count = 1000;
    setCase("%s %s moments around a large mean", table_.name, typeName<T>());
    T* x = take(0, count, Place::kEnding);
    long double exact = 0;
    for (int64_t i = 0; i < count; ++i) x[i] += T(4096);
    for (int64_t i = 0; i < count; ++i) exact += static_cast<long double>(x[i]);
    const Real mean = static_cast<Real>(exact / count);
    Real squares = 0;
    for (int64_t i = 0; i < count; ++i) squares += std::pow(static_cast<Real>(x[i]) - mean, 2);
    double gotMean, gotSquares;
    kernel_.moments(1, count, count, x, &gotMean, &gotSquares);
    LATENT_CHECK(std::fabs(gotMean - mean) <= 4096 * kEps, "%s: the mean is %.17g instead of %.17g", caseText(), gotMean,
                 mean);
    LATENT_CHECK(std::fabs(gotSquares - squares) <= 64 * kEps * squares, "%s: the squares are %.17g instead of %.17g",
                 caseText(), gotSquares, squares);
  }

  // Halves of a row are neighbours, and no number of T is their mean: what it is rounded by is as large as the deviation.
  void betweenNumbers() {
    const T low = T(1) / std::numeric_limits<T>::epsilon();
    for (int64_t count = 2; count <= 64; count += 2) {
      setCase("%s %s moments of %lld numbers beside their mean", table_.name, typeName<T>(), wide(count));
      T* x = take(0, count, Place::kEnding);
      for (int64_t i = 0; i < count; ++i) x[i] = low + static_cast<T>(i % 2);
      double mean, squares;
      kernel_.moments(1, count, count, x, &mean, &squares);
      const double want = static_cast<double>(count) / 4;
      LATENT_CHECK(std::fabs(squares - want) <= 1e-12 * want, "%s: the squares are %.17g instead of %.17g", caseText(),
                   squares, want);
    }
  }

  const KernelTable& table_;
  const FloatKernels<T>& kernel_;
  Generator random_;
  Guarded* memories_[7];
  int used_ = 0;
};

}  // namespace

int main() {
  const uint64_t seed = test::seed();
  forEachSet([&](const KernelTable& table) {
    Sweep<float>(table, seed).run();
    Sweep<double>(table, seed + 1).run();
  });
  return finish("test_norm");
}
