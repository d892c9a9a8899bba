// Vanishing numbers cost nothing: no step of a function may underflow, or read a denormal number, where neither its input
// nor its answer is one. A CPU takes a hundred cycles and more for each such step, and saturated values are everyday ones.
#include <cfenv>
#include <vector>

#include "check.h"
#include "kernels/unary.h"
#include "sets.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

using namespace latent;
using namespace latent::test;

namespace {

void forget() {
  std::feclearexcept(FE_ALL_EXCEPT);
#if defined(__SSE2__)
  _mm_setcsr(_mm_getcsr() & ~0x3fu);
#endif
}

// The sticky flags of this thread: of results too small, and where the CPU has it of operands too small.
bool sawTiny() {
#if defined(__SSE2__)
  return (_mm_getcsr() & (_MM_EXCEPT_UNDERFLOW | _MM_EXCEPT_DENORM)) != 0;
#else
  return std::fetestexcept(FE_UNDERFLOW) != 0;
#endif
}

struct Range {
  Unary op;
  const char* name;
  // From where on, left and right, the answers are 0, 1, x or infinity.
  double low, high;
};

// Of floats and doubles.
constexpr Range kRanges[][11] = {{{Unary::kExp, "exp", -112, 89},
                                  {Unary::kExpm1, "expm1", -1, 1},
                                  {Unary::kSigmoid, "sigmoid", -112, 112},
                                  {Unary::kSilu, "silu", -112, 112},
                                  {Unary::kGelu, "gelu", -15, 6.1},
                                  {Unary::kGeluTanh, "geluTanh", -12, 12},
                                  {Unary::kSoftplus, "softplus", -112, 112},
                                  {Unary::kTanh, "tanh", -1, 1},
                                  {Unary::kErf, "erf", -1, 1},
                                  {Unary::kSoftsign, "softsign", -1, 1},
                                  {Unary::kLog1p, "log1p", -0.5, 1e-30}},
                                 {{Unary::kExp, "exp", -753, 710},
                                  {Unary::kExpm1, "expm1", -1, 1},
                                  {Unary::kSigmoid, "sigmoid", -753, 753},
                                  {Unary::kSilu, "silu", -753, 753},
                                  {Unary::kGelu, "gelu", -38.9, 9.1},
                                  {Unary::kGeluTanh, "geluTanh", -22, 22},
                                  {Unary::kSoftplus, "softplus", -753, 753},
                                  {Unary::kTanh, "tanh", -1, 1},
                                  {Unary::kErf, "erf", -1, 1},
                                  {Unary::kSoftsign, "softsign", -1, 1},
                                  {Unary::kLog1p, "log1p", -0.5, 1e-200}}};

template <class T>
void functions(const KernelTable& table) {
  const auto& kernels = floatKernels<T>(table);
  std::vector<T> y(64);
  for (const Range& range : kRanges[sizeof(T) == 4 ? 0 : 1]) {
    for (const double factor : {1.0, 1.3, 3.0, 100.0, 1e9, 1e30}) {
      for (const double start : {range.low, range.high}) {
        // Nothing follows from logarithms of numbers below -1.
        if (range.op == Unary::kLog1p && start < 0) continue;
        const std::vector<T> x(y.size(), static_cast<T>(start * factor));
        forget();
        kernels.unary[static_cast<int>(range.op)](static_cast<int64_t>(x.size()), x.data(), y.data());
        LATENT_CHECK(!sawTiny(), "%s %s %s at %g", table.name, typeName<T>(), range.name, static_cast<double>(x[0]));
      }
    }
  }
}

// A softplus is e^-|x| and less than a bit of the sum long before it vanishes.
template <class T>
void smallTerms(const KernelTable& table) {
  std::vector<T> x(64), y(64);
  for (const double at : {-80.0, -40.0, -20.0, 20.0, 40.0, 80.0}) {
    x.assign(x.size(), static_cast<T>(at));
    forget();
    floatKernels<T>(table).unary[static_cast<int>(Unary::kSoftplus)](static_cast<int64_t>(x.size()), x.data(), y.data());
    LATENT_CHECK(!sawTiny(), "%s %s softplus at %g", table.name, typeName<T>(), at);
  }
}

template <class T>
void rows(const KernelTable& table) {
  const auto& kernels = floatKernels<T>(table);
  std::vector<T> x(67), y(67), g(67, T(0.5));
  // Half of a row masked, as attention does it.
  for (size_t i = 0; i < x.size(); ++i) x[i] = i % 2 == 0 ? static_cast<T>(i % 5) : T(-1e9);
  const int64_t count = static_cast<int64_t>(x.size());
  const auto quiet = [&](const char* name) {
    LATENT_CHECK(!sawTiny(), "%s %s %s of a masked row", table.name, typeName<T>(), name);
    forget();
  };
  forget();
  kernels.softmaxRow(count, x.data(), y.data());
  quiet("softmax");
  kernels.softmaxGradientRow(count, g.data(), y.data(), g.data());
  quiet("the gradient of softmax");
  kernels.logSoftmaxRow(count, x.data(), y.data());
  quiet("logSoftmax");
  kernels.logSumExpRow(count, x.data());
  quiet("logSumExp");
  const T one = 1;
  const int64_t label = 2;
  kernels.crossEntropyGradientRows(1, count, x.data(), &label, &one, y.data());
  quiet("the gradient of cross-entropy");
  kernels.crossEntropyGradientRows(1, 7, x.data(), &label, &one, y.data());
  quiet("the gradient of cross-entropy over few classes");
}

template <class T>
void slopes(const KernelTable& table) {
  const auto& kernels = floatKernels<T>(table);
  std::vector<T> y(64);
  const std::vector<T> g(y.size(), T(1));
  for (const Unary op : {Unary::kGelu, Unary::kGeluTanh, Unary::kSilu}) {
    for (const double at : {-1e6, -1e4, -800.0, 800.0, 1e4, 1e6}) {
      const std::vector<T> x(y.size(), static_cast<T>(at));
      forget();
      kernels.activationGradient(op, static_cast<int64_t>(x.size()), g.data(), x.data(), y.data());
      LATENT_CHECK(!sawTiny(), "%s %s, slope %d at %g", table.name, typeName<T>(), static_cast<int>(op), at);
    }
  }
}

// The flags themselves: what is too small must show.
void flags() {
  volatile float small = 1e-30f;
  forget();
  volatile float product = small * small;
  static_cast<void>(product);
  LATENT_CHECK(sawTiny(), "an underflow leaves no trace");
}

}  // namespace

int main() {
  flags();
  forEachSet([](const KernelTable& table) {
    functions<float>(table);
    functions<double>(table);
    smallTerms<float>(table);
    smallTerms<double>(table);
    rows<float>(table);
    rows<double>(table);
    slopes<float>(table);
    slopes<double>(table);
  });
  return finish("test_underflow");
}
