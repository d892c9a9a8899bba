// The gradients of activations, of every instruction set, against their formulas in double.
#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "closeness.h"
#include "generator.h"
#include "guard.h"
#include "kernels/unary.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// In terms of y for the first three, of x for the others.
double slope(Unary function, double v) {
  const double pi = std::acos(-1.0);
  switch (function) {
    case Unary::kTanh: return 1 - v * v;
    case Unary::kSigmoid: return v * (1 - v);
    case Unary::kGelu: return std::erfc(-v / std::sqrt(2.0)) / 2 + v * std::exp(-v * v / 2) / std::sqrt(2 * pi);
    case Unary::kGeluTanh: {
      const double scale = 2 * std::sqrt(2 / pi), w = scale * (v + 0.044715 * v * v * v);
      return sigmoid(w) * (1 + v * scale * (1 + 3 * 0.044715 * v * v) * sigmoid(-w));
    }
    case Unary::kSilu: return sigmoid(v) * (1 + v * sigmoid(-v));
    default: return v > 0 ? 1 : 0;
  }
}

bool ofValue(Unary f) { return f == Unary::kRelu || f == Unary::kTanh || f == Unary::kSigmoid; }

template <class T>
class Sweep {
 public:
  Sweep(const KernelTable& table, uint64_t seed)
      : table_(table), kernel_(floatKernels<T>(table)), random_(seed), g_(kRoom), y_(kRoom), out_(kRoom) {}

  void run() {
    for (Unary function : {Unary::kRelu, Unary::kTanh, Unary::kSigmoid, Unary::kGelu, Unary::kGeluTanh, Unary::kSilu}) {
      for (int64_t count = 0; count <= 3 * kWidest<T> + 1; ++count) {
        for (Place place : {Place::kEnding, Place::kBeginning}) {
          values(function, count, place, false);
          values(function, count, place, true);
        }
      }
      if (ofValue(function)) special(function);
      else tails(function);
    }
  }

 private:
  static constexpr size_t kRoom = size_t(1) << 13;

  void values(Unary function, int64_t count, Place place, bool inPlace) {
    setCase("%s %s activationGradient function=%d count=%lld place=%d inPlace=%d", table_.name, typeName<T>(),
            static_cast<int>(function), wide(count), static_cast<int>(place), inPlace);
    T* g = g_.template take<T>(count, place);
    T* y = y_.template take<T>(count, place);
    T* out = inPlace ? g : out_.template take<T>(count, place);
    std::vector<double> want;
    for (int64_t i = 0; i < count; ++i) {
      g[i] = static_cast<T>(random_.uniform(-3, 3));
      y[i] = static_cast<T>(function == Unary::kSigmoid ? random_.uniform(0, 1) : random_.uniform(-1, 1));
      if (!ofValue(function)) y[i] *= T(6);
      want.push_back(static_cast<double>(g[i]) * slope(function, static_cast<double>(y[i])));
    }
    kernel_.activationGradient(function, count, g, y, out);
    LATENT_CHECK((inPlace ? g_ : out_).untouchedOutside() && y_.untouchedOutside(), "%s", caseText());
    for (int64_t i = 0; i < count; ++i) {
      LATENT_CHECK(close(out[i], want[static_cast<size_t>(i)], 4,
                         (ofValue(function) ? 4 : 16) * static_cast<double>(std::numeric_limits<T>::epsilon())),
                   "%s: [%lld] is %.17g instead of %.17g", caseText(), wide(i), static_cast<double>(out[i]),
                   want[static_cast<size_t>(i)]);
    }
  }

  // Where relu is cut off nothing comes through, whatever the gradient is; elsewhere NaN stays.
  void special(Unary function) {
    const T nan = std::numeric_limits<T>::quiet_NaN(), infinity = std::numeric_limits<T>::infinity();
    const T y[] = {T(0), T(-0.0), T(0.5), nan}, g[] = {infinity, nan, nan, T(1)};
    T out[4];
    setCase("%s %s activationGradient function=%d of special values", table_.name, typeName<T>(),
            static_cast<int>(function));
    kernel_.activationGradient(function, 4, g, y, out);
    LATENT_CHECK(std::isnan(out[2]), "%s", caseText());
    if (function == Unary::kRelu) {
      LATENT_CHECK(out[0] == 0 && out[1] == 0 && out[3] == 0, "%s", caseText());
    } else {
      LATENT_CHECK(std::isnan(out[1]) && std::isnan(out[3]), "%s", caseText());
    }
  }

  // Far out the slope is that of a straight line, 0 or 1.
  void tails(Unary function) {
    setCase("%s %s activationGradient function=%d far out", table_.name, typeName<T>(), static_cast<int>(function));
    const T infinity = std::numeric_limits<T>::infinity();
    const T x[] = {T(-1000), T(-1e30), -infinity, T(60), T(1000), T(1e30), infinity, T(0)};
    const T want[] = {0, 0, 0, 2, 2, 2, 2, 1};
    constexpr int64_t kCount = sizeof x / sizeof *x;
    T g[kCount], out[kCount];
    for (T& one : g) one = T(2);
    kernel_.activationGradient(function, kCount, g, x, out);
    for (int64_t i = 0; i < kCount; ++i) {
      LATENT_CHECK(out[i] == want[i], "%s: at %g it is %g", caseText(), static_cast<double>(x[i]),
                   static_cast<double>(out[i]));
    }
    const T nan[] = {std::numeric_limits<T>::quiet_NaN()};
    kernel_.activationGradient(function, 1, g, nan, out);
    LATENT_CHECK(std::isnan(out[0]), "%s: NaN is lost", caseText());
  }

  const KernelTable& table_;
  const FloatKernels<T>& kernel_;
  Generator random_;
  Guarded g_, y_, out_;
};

}  // namespace

int main() {
  reportFaults();
  const uint64_t seed = test::seed();
  forEachSet([&](const KernelTable& table) {
    Sweep<float>(table, seed).run();
    Sweep<double>(table, seed).run();
  });
  return finish("test_activation");
}
