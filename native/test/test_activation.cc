// The gradients of activations, of every instruction set, against their formulas in double.
#include <cmath>
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

double slope(Activation activation, double y) {
  switch (activation) {
    case Activation::kTanh: return 1 - y * y;
    case Activation::kSigmoid: return y * (1 - y);
    default: return y > 0 ? 1 : 0;
  }
}

template <class T>
class Sweep {
 public:
  Sweep(const KernelTable& table, uint64_t seed)
      : table_(table), kernel_(floatKernels<T>(table)), random_(seed), g_(kRoom), y_(kRoom), out_(kRoom) {}

  void run() {
    for (Activation activation : {Activation::kRelu, Activation::kTanh, Activation::kSigmoid}) {
      for (int64_t count = 0; count <= 3 * kWidest<T> + 1; ++count) {
        for (Place place : {Place::kEnding, Place::kBeginning}) {
          values(activation, count, place, false);
          values(activation, count, place, true);
        }
      }
      special(activation);
    }
  }

 private:
  static constexpr size_t kRoom = size_t(1) << 13;

  void values(Activation activation, int64_t count, Place place, bool inPlace) {
    setCase("%s %s activationGradient activation=%d count=%lld place=%d inPlace=%d", table_.name, typeName<T>(),
            static_cast<int>(activation), wide(count), static_cast<int>(place), inPlace);
    T* g = g_.template take<T>(count, place);
    T* y = y_.template take<T>(count, place);
    T* out = inPlace ? g : out_.template take<T>(count, place);
    std::vector<double> want;
    for (int64_t i = 0; i < count; ++i) {
      g[i] = static_cast<T>(random_.uniform(-3, 3));
      y[i] = static_cast<T>(random_.uniform(activation == Activation::kSigmoid ? 0 : -1, 1));
      want.push_back(static_cast<double>(g[i]) * slope(activation, static_cast<double>(y[i])));
    }
    kernel_.activationGradient(activation, count, g, y, out);
    LATENT_CHECK((inPlace ? g_ : out_).untouchedOutside() && y_.untouchedOutside(), "%s", caseText());
    for (int64_t i = 0; i < count; ++i) {
      LATENT_CHECK(close(out[i], want[static_cast<size_t>(i)], 4, 4 * static_cast<double>(std::numeric_limits<T>::epsilon())),
                   "%s: [%lld] is %.17g instead of %.17g", caseText(), wide(i), static_cast<double>(out[i]),
                   want[static_cast<size_t>(i)]);
    }
  }

  // Where relu is cut off nothing comes through, whatever the gradient is; elsewhere NaN stays.
  void special(Activation activation) {
    const T nan = std::numeric_limits<T>::quiet_NaN(), infinity = std::numeric_limits<T>::infinity();
    const T y[] = {T(0), T(-0.0), T(0.5), nan}, g[] = {infinity, nan, nan, T(1)};
    T out[4];
    setCase("%s %s activationGradient activation=%d of special values", table_.name, typeName<T>(),
            static_cast<int>(activation));
    kernel_.activationGradient(activation, 4, g, y, out);
    LATENT_CHECK(std::isnan(out[2]), "%s", caseText());
    if (activation == Activation::kRelu) {
      LATENT_CHECK(out[0] == 0 && out[1] == 0 && out[3] == 0, "%s", caseText());
    } else {
      LATENT_CHECK(std::isnan(out[1]) && std::isnan(out[3]), "%s", caseText());
    }
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
