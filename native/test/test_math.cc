// The largest error of each curved function, in units in the last place of the true result, against long double.
#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "generator.h"
#include "sets.h"

using namespace latent;
using namespace latent::test;

namespace {

using Real = long double;

Real trueValue(Unary op, Real x) {
  switch (op) {
    case Unary::kExp: return std::exp(x);
    case Unary::kLog: return std::log(x);
    case Unary::kLog1p: return std::log1p(x);
    case Unary::kExpm1: return std::expm1(x);
    case Unary::kTanh: return std::tanh(x);
    case Unary::kSigmoid: return 1 / (1 + std::exp(-x));
    case Unary::kErf: return std::erf(x);
    case Unary::kGelu: return std::isinf(x) && x < 0 ? Real(-0.0) : x / 2 * std::erfc(-x * std::sqrt(Real(0.5)));
    case Unary::kSoftplus: return std::isnan(x) ? x : std::fmax(x, Real(0)) + std::log1p(std::exp(-std::fabs(x)));
    case Unary::kSilu: return x / (1 + std::exp(-x));
    default: return std::numeric_limits<Real>::quiet_NaN();
  }
}

// silu multiplies a sigmoid by x, and with it the rounding of a sigmoid that is a denormal number: an error of up to
// this many of the smallest denormal numbers counts as none.
constexpr double kSiluTailFloat = 110, kSiluTailDouble = 750;

struct Function {
  Unary op;
  const char* name;
  double floatBound, doubleBound;
  double floatTail, doubleTail;
};

// Bounds are those of kernels/math.h for the functions that state one; measured for the others.
const Function kFunctions[] = {
    {Unary::kExp, "exp", 2, 2, 0, 0},
    {Unary::kLog, "log", 2, 2, 0, 0},
    {Unary::kLog1p, "log1p", 3, 3, 0, 0},
    {Unary::kExpm1, "expm1", 4, 4, 0, 0},
    {Unary::kTanh, "tanh", 3, 3, 0, 0},
    {Unary::kSigmoid, "sigmoid", 3, 3, 0, 0},
    {Unary::kErf, "erf", 2, 2, 0, 0},
    {Unary::kGelu, "gelu", 1, 24, 0, 0},
    {Unary::kSoftplus, "softplus", 3, 3, 0, 0},
    {Unary::kSilu, "silu", 4, 4, kSiluTailFloat, kSiluTailDouble},
};
constexpr size_t kFunctionCount = sizeof kFunctions / sizeof *kFunctions;

// The error of `got` in units in the last place of T at `want`; infinity counts as the number after the largest.
template <class T>
double ulps(T got, Real want) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(want) || std::isnan(got)) {
    return std::isnan(want) && std::isnan(got) ? 0 : std::numeric_limits<double>::infinity();
  }
  const Real beyond = std::ldexp(Real(1), Limits::max_exponent);
  auto finite = [&](Real x) { return std::fmin(std::fmax(x, -beyond), beyond); };
  const Real w = finite(want), g = finite(static_cast<Real>(got));
  int exponent = w == 0 ? Limits::min_exponent - 1 : std::ilogb(w);
  if (exponent < Limits::min_exponent - 1) exponent = Limits::min_exponent - 1;
  if (exponent > Limits::max_exponent - 1) exponent = Limits::max_exponent - 1;
  return static_cast<double>(std::fabs(g - w) / std::ldexp(Real(1), exponent - (Limits::digits - 1)));
}

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
    worst_.resize(tables_.size() * kFunctionCount);
  }

  void add(T x) {
    inputs_.push_back(x);
    if (inputs_.size() == 4096) flush();
  }

  void flush() {
    std::vector<Real> want(inputs_.size());
    std::vector<T> got(inputs_.size());
    for (size_t f = 0; f < kFunctionCount; ++f) {
      const Unary op = kFunctions[f].op;
      const Real tail = static_cast<Real>(sizeof(T) == 4 ? kFunctions[f].floatTail : kFunctions[f].doubleTail) *
                        std::numeric_limits<T>::denorm_min();
      for (size_t i = 0; i < inputs_.size(); ++i) want[i] = trueValue(op, static_cast<Real>(inputs_[i]));
      for (size_t s = 0; s < tables_.size(); ++s) {
        Worst& worst = worst_[s * kFunctionCount + f];
        floatKernels<T>(*tables_[s]).unary[static_cast<int>(op)](static_cast<int64_t>(inputs_.size()), inputs_.data(),
                                                                 got.data());
        for (size_t i = 0; i < inputs_.size(); ++i) {
          if (std::fabs(static_cast<Real>(got[i]) - want[i]) <= tail) continue;
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
    std::printf("%s, %lld inputs: largest error in ulp, and the bound\n", typeName<T>(),
                static_cast<long long>(measured_));
    for (size_t f = 0; f < kFunctionCount; ++f) {
      const Function& function = kFunctions[f];
      const double bound = sizeof(T) == 4 ? function.floatBound : function.doubleBound;
      std::printf("  %-9s", function.name);
      for (size_t s = 0; s < tables_.size(); ++s) {
        const Worst& worst = worst_[s * kFunctionCount + f];
        std::printf(" %s %8.3f at %-14.9g", tables_[s]->name, worst.error, worst.at);
      }
      std::printf(" <= %g\n", bound);
      for (size_t s = 0; s < tables_.size(); ++s) {
        const Worst& worst = worst_[s * kFunctionCount + f];
        LATENT_CHECK(worst.error <= bound, "%s %s %s: %g ulp at %.17g, the bound is %g", tables_[s]->name,
                     typeName<T>(), function.name, worst.error, worst.at, bound);
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
    // Any bit pattern; the range where exponentials live; around 0 and 1; magnitudes spread evenly near 0.
    const uint64_t bits = random.next();
    double x;
    std::memcpy(&x, &bits, sizeof x);
    measure.add(x);
    measure.add(random.uniform(-750, 750));
    measure.add(random.uniform(-40, 40));
    measure.add(random.uniform(-2, 2));
    measure.add(1 + random.uniform(-1, 1) * std::ldexp(1.0, -static_cast<int>(random.below(50))));
    measure.add(random.uniform(-1, 1) * std::ldexp(1.0, -static_cast<int>(random.below(60))));
  }
  measure.report();
}

}  // namespace

int main() {
  const uint64_t seed = test::seed();
  const int64_t thin = thinning();
  measureFloat(thin);
  measureDouble(seed, thin);
  return finish("test_math");
}
