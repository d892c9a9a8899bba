// Gradients of activations and bounds, in one pass.
#include "math.h"
#include "parts.h"
#include "unary.h"

namespace latent::LATENT_ISA {
namespace {

template <class V, class F>
void map(int64_t count, const typename V::Element* g, const typename V::Element* saved, typename V::Element* out, F f) {
  forEachVector<V>(count,
                   [&](int64_t i, int n) { storeUpTo(f(loadUpTo<V>(g + i, n), loadUpTo<V>(saved + i, n)), out + i, n); });
}

// An infinite factor of what vanishes faster than any number grows; NaN stays.
template <class V>
inline V finite(V x) {
  const V most = V::set(MathOf<V>::kLargest);
  return min(most, max(-most, x));
}

// Φ(x) + x·φ(x)
template <class V>
inline V geluSlope(V x) {
  const V half = V::set(0.5);
  const V cumulative = fma(erfOf(x * V::set(0.70710678118654752440)), half, half);
  const V density = expOf(x * x * V::set(-0.5)) * V::set(0.39894228040143267794);
  return fma(finite(x), density, cumulative);
}

// σ(v)·(1 + w·(1 - σ(v))), where the factor of a large w must not have lost its digits in a difference.
template <class V>
inline V weightedSlope(V v, V w) {
  const V one = V::set(1.0), e = expOf(-abs(v)), larger = one / (one + e), smaller = e * larger;
  const auto negative = v < V::zero();
  return select(negative, smaller, larger) * fma(finite(w), select(negative, larger, smaller), one);
}

// σ(v) + x·v'·σ(v)·(1 - σ(v)) with v = 2√(2/π)·(x + 0.044715·x³)
template <class V>
inline V geluTanhSlope(V x) {
  const V one = V::set(1.0), cubic = V::set(0.044715), scaled = x * V::set(1.5957691216057307117);
  const V square = x * x;
  return weightedSlope(scaled * fma(square, cubic, one), scaled * fma(square, cubic * V::set(3.0), one));
}

// σ(x)·(1 + x·(1 - σ(x)))
template <class V>
inline V siluSlope(V x) {
  return weightedSlope(x, x);
}

template <class T>
void activationGradient(Unary function, int64_t count, const T* g, const T* saved, T* out) {
  using V = Vec<T>;
  const V zero = V::zero(), one = V::set(1.0);
  switch (function) {
    case Unary::kTanh: return map<V>(count, g, saved, out, [&](V a, V y) { return a * (one - y * y); });
    case Unary::kSigmoid: return map<V>(count, g, saved, out, [&](V a, V y) { return a * (y * (one - y)); });
    case Unary::kGelu: return map<V>(count, g, saved, out, [](V a, V x) { return a * geluSlope(x); });
    case Unary::kGeluTanh: return map<V>(count, g, saved, out, [](V a, V x) { return a * geluTanhSlope(x); });
    case Unary::kSilu: return map<V>(count, g, saved, out, [](V a, V x) { return a * siluSlope(x); });
    default: return map<V>(count, g, saved, out, [&](V a, V y) { return select(zero < y, a, zero); });
  }
}

template <class T>
void clipGradient(int64_t count, const T* g, const T* x, T low, T high, T* out) {
  using V = Vec<T>;
  const V zero = V::zero(), lowest = V::set(low), highest = V::set(high);
  map<V>(count, g, x, out, [&](V a, V v) { return select(v < lowest, zero, select(highest < v, zero, a)); });
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.clipGradient = clipGradient<T>;
  k.activationGradient = activationGradient<T>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addActivation(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
