// The largest error of each curved function, in units in the last place of the true result, against long double.
#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "curves.h"
#include "generator.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

using Real = long double;

struct Worst {
  double error = 0;
  double at = 0;
};

// Feeds inputs in blocks to every function of every set; the reference is computed once for all sets.
template <class T>
class Measure {
 public:
  Measure() {
    forEachSet([&](const KernelTable& table) { tables_.push_back(&table); });
    worst_.resize(tables_.size() * kCurveCount);
  }

  void add(T x) {
    inputs_.push_back(x);
    if (inputs_.size() == 4096) flush();
  }

  void flush() {
    std::vector<Real> want(inputs_.size());
    std::vector<T> got(inputs_.size());
    for (size_t f = 0; f < kCurveCount; ++f) {
      const Unary op = kCurves[f].op;
      for (size_t i = 0; i < inputs_.size(); ++i) want[i] = trueValue(op, static_cast<Real>(inputs_[i]));
      for (size_t s = 0; s < tables_.size(); ++s) {
        Worst& worst = worst_[s * kCurveCount + f];
        floatKernels<T>(*tables_[s])
            .unary[static_cast<int>(op)](static_cast<int64_t>(inputs_.size()), inputs_.data(), got.data());
        for (size_t i = 0; i < inputs_.size(); ++i) {
          const double error = ulps(got[i], want[i]);
          if (error > worst.error) worst = {error, static_cast<double>(inputs_[i])};
        }
      }
    }
    measured_ += static_cast<int64_t>(inputs_.size());
    inputs_.clear();
  }

  void report() {
    flush();
    std::printf("%s, %lld inputs: largest error in ulp <= the bound\n", typeName<T>(), static_cast<long long>(measured_));
    for (size_t f = 0; f < kCurveCount; ++f) {
      const Curve& function = kCurves[f];
      const Bounds& bounds = sizeof(T) == 4 ? function.inFloat : function.inDouble;
      std::printf("  %-9s", function.name);
      for (size_t s = 0; s < tables_.size(); ++s) {
        const Worst& worst = worst_[s * kCurveCount + f];
        std::printf(" %s %8.3f at %-14.9g <= %g", tables_[s]->name, worst.error, worst.at, bounds.of(*tables_[s]));
      }
      std::printf("\n");
      for (size_t s = 0; s < tables_.size(); ++s) {
        const Worst& worst = worst_[s * kCurveCount + f];
        const double bound = bounds.of(*tables_[s]);
        LATENT_CHECK(worst.error <= bound, "%s %s %s: %g ulp at %.17g, the bound is %g", tables_[s]->name, typeName<T>(),
                     function.name, worst.error, worst.at, bound);
      }
    }
  }

 private:
  std::vector<const KernelTable*> tables_;
  std::vector<Worst> worst_;
  std::vector<T> inputs_;
  int64_t measured_ = 0;
};

void measureFloat(int64_t thin) {
  Measure<float> measure;
  // An odd stride meets every pattern of low bits; the full sweep moves within its steps of 256 to the same end.
  const uint64_t stride = (fullSweep() ? 256 : 2147) * static_cast<uint64_t>(thin);
  for (uint64_t bits = 0; bits < uint64_t(1) << 32; bits += stride) {
    const uint32_t word = static_cast<uint32_t>(fullSweep() ? bits + bits / 256 % 256 : bits);
    float x;
    std::memcpy(&x, &word, sizeof x);
    measure.add(x);
  }
  measure.report();
}

void measureDouble(uint64_t seed, int64_t thin) {
  Measure<double> measure;
  Generator random(seed);
  const int64_t samples = (fullSweep() ? 1000000 : 60000) / thin;
  for (int64_t i = 0; i < samples; ++i) {
    // Any bit pattern; the range where exponentials live; around 0, 1 and other
    // eighths, where ranges meet; magnitudes spread evenly near 0.
    const uint64_t bits = random.next();
    double x;
    std::memcpy(&x, &bits, sizeof x);
    measure.add(x);
    measure.add(random.uniform(-750, 750));
    measure.add(random.uniform(-40, 40));
    measure.add(random.uniform(-2, 2));
    measure.add(1 + random.uniform(-1, 1) * std::ldexp(1.0, -static_cast<int>(random.below(50))));
    const double eighth = static_cast<double>(random.below(48) - 24) / 8;
    measure.add(eighth + random.uniform(-1, 1) * std::ldexp(1.0, -static_cast<int>(random.below(50))));
    measure.add(random.uniform(-1, 1) * std::ldexp(1.0, -static_cast<int>(random.below(60))));
  }
  measure.report();
}

// Powers of bases of every size and around 1, with exponents that keep most of the results in range.
template <class T>
void measurePow(uint64_t seed, int64_t thin) {
  const int64_t samples = (fullSweep() ? 4000000 : 200000) / thin;
  constexpr size_t kPairs = 4096;
  const double widest = sizeof(T) == 4 ? 104 : 745;
  const Bounds& bounds = sizeof(T) == 4 ? kPowInFloat : kPowInDouble;
  std::vector<T> x(kPairs), y(kPairs), got(kPairs);
  std::vector<Real> want(kPairs);
  Generator random(seed);
  std::vector<const KernelTable*> tables;
  forEachSet([&](const KernelTable& table) { tables.push_back(&table); });
  std::vector<double> worst(tables.size());
  for (int64_t done = 0; done < samples; done += kPairs) {
    for (size_t i = 0; i < kPairs; ++i) {
      const double size = std::ldexp(random.uniform(-1, 1), static_cast<int>(random.below(8)) * -6);
      x[i] = static_cast<T>(std::exp(size * widest * 0.8));
      const double log = std::log(static_cast<double>(x[i]));
      y[i] = static_cast<T>(log == 0 ? 1 : random.uniform(-1, 1) * widest / log);
      want[i] = std::pow(static_cast<Real>(x[i]), static_cast<Real>(y[i]));
    }
    for (size_t s = 0; s < tables.size(); ++s) {
      const auto& kernels = floatKernels<T>(*tables[s]).binary[static_cast<int>(Binary::kPow)];
      kernels[static_cast<int>(Broadcast::kNone)](kPairs, x.data(), y.data(), got.data());
      for (size_t i = 0; i < kPairs; ++i) worst[s] = std::fmax(worst[s], ulps(got[i], want[i]));
    }
  }
  std::printf("  %s, powers  ", typeName<T>());
  for (size_t s = 0; s < tables.size(); ++s) {
    std::printf(" %s %8.3f <= %g", tables[s]->name, worst[s], bounds.of(*tables[s]));
  }
  std::printf("\n");
  for (size_t s = 0; s < tables.size(); ++s) {
    LATENT_CHECK(worst[s] <= bounds.of(*tables[s]), "%s %s pow: %g ulp, the bound is %g", tables[s]->name, typeName<T>(),
                 worst[s], bounds.of(*tables[s]));
  }
}

}  // namespace

int main() {
  const uint64_t seed = test::seed();
  const int64_t thin = thinning();
  measureFloat(thin);
  measureDouble(seed, thin);
  measurePow<float>(seed, thin);
  measurePow<double>(seed, thin);
  return finish("test_math");
}
