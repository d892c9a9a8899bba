// One optimizer step over one tensor, in one pass. Formulas as PyTorch's.
#include "parts.h"

LATENT_ISA_BEGIN

// g = scale·gradient + wd·w;  b = μ·b + g (b = g at the first step);  w -= rate·(nesterov ? g + μ·b : b)
template <class T>
void sgd(int64_t count, T* weight, const T* gradient, T* momentum, const UpdateArgs& args) {
  using V = Vec<T>;
  const V rate = V::set(static_cast<T>(args.rate)), decay = V::set(static_cast<T>(args.weightDecay)),
          mu = V::set(static_cast<T>(args.momentum)), gradScale = V::set(static_cast<T>(args.gradScale));
  forEachVector<V>(count, [&](int64_t i, int n) {
    V w = loadUpTo<V>(weight + i, n);
    V g = loadUpTo<V>(gradient + i, n) * gradScale + decay * w;
    if (momentum != nullptr) {
      const V b = args.firstStep ? g : mu * loadUpTo<V>(momentum + i, n) + g;
      storeUpTo(b, momentum + i, n);
      g = args.nesterov ? g + mu * b : b;
    }
    storeUpTo(w - rate * g, weight + i, n);
  });
}

// m = β1·m + (1-β1)·g;  v = β2·v + (1-β2)·g²;  w -= rate/c1 · m / (√v/√c2 + ε),
// which is rate·√c2/c1 · m / (√v + ε·√c2) with a division less.
// Coupled decay adds wd·w to g (Adam); decoupled first shrinks w by 1 - rate·wd (AdamW).
template <class T>
void adam(int64_t count, T* weight, const T* gradient, T* mean, T* variance, const UpdateArgs& args) {
  using V = Vec<T>;
  const double root2 = __builtin_sqrt(args.correction2);
  const V beta1 = V::set(static_cast<T>(args.beta1)), beta2 = V::set(static_cast<T>(args.beta2)),
          rest1 = V::set(static_cast<T>(1 - args.beta1)), rest2 = V::set(static_cast<T>(1 - args.beta2)),
          epsilon = V::set(static_cast<T>(args.epsilon * root2)), gradScale = V::set(static_cast<T>(args.gradScale)),
          step = V::set(static_cast<T>(args.rate / args.correction1 * root2)),
          coupled = V::set(static_cast<T>(args.decoupled ? 0 : args.weightDecay)),
          shrink = V::set(static_cast<T>(args.decoupled ? 1 - args.rate * args.weightDecay : 1));
  forEachVector<V>(count, [&](int64_t i, int n) {
    const V w0 = loadUpTo<V>(weight + i, n);
    const V g = loadUpTo<V>(gradient + i, n) * gradScale + coupled * w0;
    const V m = beta1 * loadUpTo<V>(mean + i, n) + rest1 * g;
    const V v = beta2 * loadUpTo<V>(variance + i, n) + rest2 * (g * g);
    storeUpTo(m, mean + i, n);
    storeUpTo(v, variance + i, n);
    storeUpTo(w0 * shrink - step * (m / (sqrt(v) + epsilon)), weight + i, n);
  });
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.sgd = sgd<T>;
  k.adam = adam<T>;
}

LATENT_ISA_END

void latent::LATENT_ISA::addOptim(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
