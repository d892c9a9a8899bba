// out[i] = f(x[i]).
#include "math.h"
#include "parts.h"
#include "trig.h"
#include "unary.h"

namespace latent::LATENT_ISA {
namespace {

template <class V, class F>
inline void mapVectors(int64_t count, const typename V::Element* x, typename V::Element* out, F f) {
  int64_t i = 0;
  // Two vectors at a time: one's chain of dependent steps runs in the gaps of the other's.
  for (; i + 2 * V::kLanes <= count; i += 2 * V::kLanes) {
    const V a = V::load(x + i), b = V::load(x + i + V::kLanes);
    const V fa = f(a), fb = f(b);
    fa.store(out + i);
    fb.store(out + i + V::kLanes);
  }
  forEachVector<V>(count - i, [&](int64_t j, int n) { storeUpTo(f(loadUpTo<V>(x + i + j, n)), out + i + j, n); });
}

template <class V, Unary kOp>
inline V applyUnary(V x) {
  const V one = V::set(1.0);
  switch (kOp) {
    case Unary::kNeg: return -x;
    case Unary::kAbs: return abs(x);
    case Unary::kSign: {
      const V sign = select(x < V::zero(), V::set(-1.0), select(V::zero() < x, one, V::zero()));
      return select(isNan(x), x, sign);
    }
    case Unary::kExp: return expOf(x);
    case Unary::kLog: return logOf(x);
    case Unary::kLog1p: return log1pOf(x);
    case Unary::kExpm1: return expm1Of(x);
    case Unary::kSqrt: return sqrt(x);
    case Unary::kRsqrt: return one / sqrt(x);
    case Unary::kSquare: return x * x;
    case Unary::kReciprocal: return one / x;
    case Unary::kTanh: return tanhOf(x);
    case Unary::kSigmoid: return sigmoidOf(x);
    case Unary::kRelu: return max(V::zero(), x);
    case Unary::kGelu: return geluOf(x);
    case Unary::kGeluTanh: return geluTanhOf(x);
    case Unary::kSilu: return siluOf(x);
    case Unary::kSoftplus: return softplusOf(x);
    case Unary::kSoftsign: return softsignOf(x);
    case Unary::kErf: return erfOf(x);
    case Unary::kFloor: return floor(x);
    case Unary::kCeil: return ceil(x);
    case Unary::kRound: return roundToEven(x);
    default: break;
  }
  return x;
}

template <class T, Unary kOp>
void unary(int64_t count, const T* x, T* out) {
  if constexpr (kOp == Unary::kSin || kOp == Unary::kCos) {
    trigonometric<T, kOp == Unary::kCos>(count, x, out);
  } else {
    mapVectors<Vec<T>>(count, x, out, [](Vec<T> v) { return applyUnary<Vec<T>, kOp>(v); });
  }
}

template <class T>
void clip(int64_t count, const T* x, T low, T high, T* out) {
  using V = Vec<T>;
  const V lowest = V::set(low), highest = V::set(high);
  mapVectors<V>(count, x, out, [&](V v) { return min(highest, max(lowest, v)); });
}

template <class T>
void fill(FloatKernels<T>& k) {
  static constexpr void (*kFunctions[])(int64_t, const T*, T*) = {
#define LATENT_ENTRY(Name, name) unary<T, Unary::k##Name>,
      LATENT_UNARY(LATENT_ENTRY)
#undef LATENT_ENTRY
  };
  k.unary = kFunctions;
  k.clip = clip<T>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addUnary(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
