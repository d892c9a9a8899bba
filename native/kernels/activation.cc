// Gradients of the activations whose slope follows from their value.
#include "parts.h"

LATENT_ISA_BEGIN

template <class V, class F>
void map(int64_t count, const typename V::Element* g, const typename V::Element* y, typename V::Element* out, F f) {
  forEachVector<V>(count, [&](int64_t i, int n) { storeUpTo(f(loadUpTo<V>(g + i, n), loadUpTo<V>(y + i, n)), out + i, n); });
}

template <class T>
void activationGradient(Activation activation, int64_t count, const T* g, const T* y, T* out) {
  using V = Vec<T>;
  const V zero = V::zero(), one = V::set(T(1));
  switch (activation) {
    case Activation::kTanh: return map<V>(count, g, y, out, [&](V a, V b) { return a * (one - b * b); });
    case Activation::kSigmoid: return map<V>(count, g, y, out, [&](V a, V b) { return a * (b * (one - b)); });
    default: return map<V>(count, g, y, out, [&](V a, V b) { return select(zero < b, a, zero); });
  }
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.activationGradient = activationGradient<T>;
}

LATENT_ISA_END

void latent::LATENT_ISA::addActivation(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
