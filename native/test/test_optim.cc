// The optimizers' steps, of every instruction set, three in a row for each rule's variants.
#include <limits>
#include <vector>

#include "check.h"
#include "closeness.h"
#include "generator.h"
#include "guard.h"
#include "reference.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

template <class T>
class Sweep {
 public:
  Sweep(const KernelTable& table, uint64_t seed)
      : table_(table), kernel_(floatKernels<T>(table)), random_(seed), weight_(kRoom), gradient_(kRoom), first_(kRoom),
        second_(kRoom) {}

  void run() {
    std::vector<int64_t> counts{1000};
    for (int64_t n = 0; n <= 3 * kWidest<T> + 1; ++n) counts.push_back(n);
    for (int64_t count : counts) {
      for (Place place : {Place::kEnding, Place::kBeginning}) {
        for (int variant = 0; variant < 6; ++variant) sgd(count, place, variant);
        for (int variant = 0; variant < 4; ++variant) adam(count, place, variant);
      }
    }
  }

 private:
  static constexpr size_t kRoom = size_t(1) << 14;

  T* take(Guarded& memory, int64_t count, Place place, double low, double high, std::vector<double>* copy) {
    T* p = memory.template take<T>(count, place);
    for (int64_t i = 0; i < count; ++i) p[i] = static_cast<T>(random_.uniform(low, high));
    if (copy != nullptr) copy->assign(p, p + count);
    return p;
  }

  void check(const T* got, const std::vector<double>& want, const char* what) {
    for (size_t i = 0; i < want.size(); ++i) {
      LATENT_CHECK(close(got[i], want[i], 16, 8 * static_cast<double>(std::numeric_limits<T>::epsilon())),
                   "%s: %s[%zu] is %.17g instead of %.17g", caseText(), what, i, static_cast<double>(got[i]), want[i]);
    }
  }

  // What the kernel gets is rounded to T; the reference gets the same numbers.
  static double rounded(double x) { return static_cast<double>(static_cast<T>(x)); }

  void sgd(int64_t count, Place place, int variant) {
    const bool withMomentum = variant >= 2;
    UpdateArgs args{};
    args.rate = rounded(0.1);
    args.weightDecay = variant % 2 == 1 ? rounded(0.01) : 0;
    args.momentum = rounded(0.9);
    args.gradScale = variant % 2 == 1 ? 0.25 : 1;
    args.nesterov = variant >= 4;
    setCase("%s %s sgd count=%lld place=%d variant=%d", table_.name, typeName<T>(), wide(count),
            static_cast<int>(place), variant);
    std::vector<double> w, b;
    T* weight = take(weight_, count, place, -1, 1, &w);
    // The first step must not read what the state held.
    T* momentum = take(first_, count, place, 100, 200, &b);
    for (int step = 0; step < 3; ++step) {
      args.firstStep = step == 0;
      T* gradient = take(gradient_, count, place, -1, 1, nullptr);
      kernel_.sgd(count, weight, gradient, withMomentum ? momentum : nullptr, args);
      for (int64_t i = 0; i < count; ++i) {
        referenceSgd(&w[static_cast<size_t>(i)], static_cast<double>(gradient[i]),
                     withMomentum ? &b[static_cast<size_t>(i)] : nullptr, args);
      }
      check(weight, w, "weight");
      check(momentum, b, "momentum");
    }
    LATENT_CHECK(weight_.untouchedOutside() && first_.untouchedOutside(), "%s: wrote outside", caseText());
  }

  void adam(int64_t count, Place place, int variant) {
    UpdateArgs args{};
    args.rate = rounded(0.01);
    args.weightDecay = variant % 2 == 1 ? rounded(0.1) : 0;
    args.beta1 = 0.875;
    args.beta2 = 1 - 0x1p-10;
    args.epsilon = rounded(1e-5);
    args.gradScale = variant % 2 == 1 ? 0.5 : 1;
    args.decoupled = variant >= 2;
    setCase("%s %s adam count=%lld place=%d variant=%d", table_.name, typeName<T>(), wide(count),
            static_cast<int>(place), variant);
    std::vector<double> w, m, v;
    T* weight = take(weight_, count, place, -1, 1, &w);
    T* mean = take(first_, count, place, 0, 0, &m);
    T* variance = take(second_, count, place, 0, 0, &v);
    for (int step = 0; step < 3; ++step) {
      args.correction1 = 1 - std::pow(args.beta1, step + 1);
      args.correction2 = 1 - std::pow(args.beta2, step + 1);
      // Bounded away from 0, where √v + ε amplifies every rounding.
      T* gradient = take(gradient_, count, place, 0.5, 1, nullptr);
      kernel_.adam(count, weight, gradient, mean, variance, args);
      for (int64_t i = 0; i < count; ++i) {
        const size_t j = static_cast<size_t>(i);
        referenceAdam(&w[j], static_cast<double>(gradient[i]), &m[j], &v[j], args);
      }
      check(weight, w, "weight");
      check(mean, m, "mean");
      check(variance, v, "variance");
    }
    LATENT_CHECK(weight_.untouchedOutside() && first_.untouchedOutside() && second_.untouchedOutside(),
                 "%s: wrote outside", caseText());
  }

  const KernelTable& table_;
  const FloatKernels<T>& kernel_;
  Generator random_;
  Guarded weight_, gradient_, first_, second_;
};

}  // namespace

int main() {
  reportFaults();
  const uint64_t seed = test::seed();
  forEachSet([&](const KernelTable& table) {
    Sweep<float>(table, seed).run();
    Sweep<double>(table, seed).run();
  });
  return finish("test_optim");
}
