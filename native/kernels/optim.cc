// One optimizer step over one tensor, in one pass. Formulas as PyTorch's, LAMB's as Gluon's.
#include "lanes.h"
#include "parts.h"

namespace latent::LATENT_ISA {
namespace {

template <class T>
using Kept = T* const (&)[kMaxKept];

// The gradient as the rules take it, with the decay that is coupled to it.
template <class V>
struct Reading {
  using T = typename V::Element;
  V scale, highest, lowest, decay;

  explicit Reading(const UpdateArgs& args)
      : scale(V::set(static_cast<T>(args.gradScale))), highest(V::set(static_cast<T>(args.clip))),
        lowest(V::set(static_cast<T>(-args.clip))), decay(V::set(static_cast<T>(args.decoupled ? 0 : args.weightDecay))) {}

  V operator()(V gradient, V weight) const { return max(lowest, min(highest, gradient * scale)) + decay * weight; }
};

template <class V>
inline V number(double x) {
  return V::set(static_cast<typename V::Element>(x));
}

// Calls step(at, n, w, g) for the vectors of a weight, and stores what it answers in the weight's place.
template <class V, class Step>
inline void forWeights(int64_t count, typename V::Element* weight, const typename V::Element* gradient,
                       const UpdateArgs& args, Step step) {
  const Reading<V> read(args);
  forEachVector<V>(count, [&](int64_t i, int n) {
    const V w = loadUpTo<V>(weight + i, n);
    storeUpTo(step(i, n, w, read(loadUpTo<V>(gradient + i, n), w)), weight + i, n);
  });
}

// x = β·x + (1 - β)·y, stored.
template <class V>
struct Average {
  V keeps, takes;
  explicit Average(double beta) : keeps(number<V>(beta)), takes(number<V>(1 - beta)) {}
  V operator()(typename V::Element* x, int n, V y) const {
    const V average = keeps * loadUpTo<V>(x, n) + takes * y;
    storeUpTo(average, x, n);
    return average;
  }
};

// b = μ·b + g (b = g at the first step);  w -= rate·(nesterov ? g + μ·b : b)
template <class T>
void sgd(int64_t count, T* weight, const T* gradient, Kept<T> kept, const UpdateArgs& args) {
  using V = Vec<T>;
  const V rate = number<V>(args.rate), mu = number<V>(args.momentum);
  T* const momentum = kept[0];
  forWeights<V>(count, weight, gradient, args, [&](int64_t i, int n, V w, V g) {
    if (momentum != nullptr) {
      const V b = args.firstStep ? g : mu * loadUpTo<V>(momentum + i, n) + g;
      storeUpTo(b, momentum + i, n);
      g = args.nesterov ? g + mu * b : b;
    }
    return w - rate * g;
  });
}

// m = β1·m + (1-β1)·g;  v = β2·v + (1-β2)·g²;  w -= rate/c1 · m / (√v/√c2 + ε),
// which is rate·√c2/c1 · m / (√v + ε·√c2) with a division less.
// Coupled decay adds wd·w to g (Adam); decoupled first shrinks w by 1 - rate·wd (AdamW).
template <class T>
void adam(int64_t count, T* weight, const T* gradient, Kept<T> kept, const UpdateArgs& args) {
  using V = Vec<T>;
  const double root2 = __builtin_sqrt(args.correction2);
  const Average<V> mean(args.beta1), variance(args.beta2);
  const V epsilon = number<V>(args.epsilon * root2), step = number<V>(args.rate / args.correction1 * root2),
          shrink = number<V>(args.decoupled ? 1 - args.rate * args.weightDecay : 1);
  forWeights<V>(count, weight, gradient, args, [&](int64_t i, int n, V w, V g) {
    const V m = mean(kept[0] + i, n, g), v = variance(kept[1] + i, n, g * g);
    return w * shrink - step * (m / (sqrt(v) + epsilon));
  });
}

// m = β1·m + (1-β1)·g;  u = max(β2·u, |g| + ε);  w -= rate/c1 · m/u
template <class T>
void adamax(int64_t count, T* weight, const T* gradient, Kept<T> kept, const UpdateArgs& args) {
  using V = Vec<T>;
  const Average<V> mean(args.beta1);
  const V beta2 = number<V>(args.beta2), epsilon = number<V>(args.epsilon), step = number<V>(args.rate / args.correction1);
  forWeights<V>(count, weight, gradient, args, [&](int64_t i, int n, V w, V g) {
    const V m = mean(kept[0] + i, n, g), u = max(beta2 * loadUpTo<V>(kept[1] + i, n), abs(g) + epsilon);
    storeUpTo(u, kept[1] + i, n);
    return w - step * (m / u);
  });
}

// v = ρ·v + (1-ρ)·g²;  with a third kept a = ρ·a + (1-ρ)·g and max(v - a², 0) in v's place, for a variance that is near
// to 0 may round below it;  d = g/(√v + ε);
// with a second kept b = μ·b + d and b in d's place;  w -= rate·d
template <class T>
void rmsProp(int64_t count, T* weight, const T* gradient, Kept<T> kept, const UpdateArgs& args) {
  using V = Vec<T>;
  const Average<V> average(args.beta2);
  const V rate = number<V>(args.rate), mu = number<V>(args.momentum), epsilon = number<V>(args.epsilon);
  forWeights<V>(count, weight, gradient, args, [&](int64_t i, int n, V w, V g) {
    V v = average(kept[0] + i, n, g * g);
    if (kept[2] != nullptr) {
      const V a = average(kept[2] + i, n, g);
      v = max(V::zero(), v - a * a);
    }
    V d = g / (sqrt(v) + epsilon);
    if (kept[1] != nullptr) {
      d = mu * loadUpTo<V>(kept[1] + i, n) + d;
      storeUpTo(d, kept[1] + i, n);
    }
    return w - rate * d;
  });
}

// s = s + g²;  w -= rate·g/(√s + ε)
template <class T>
void adagrad(int64_t count, T* weight, const T* gradient, Kept<T> kept, const UpdateArgs& args) {
  using V = Vec<T>;
  const V rate = number<V>(args.rate), epsilon = number<V>(args.epsilon);
  forWeights<V>(count, weight, gradient, args, [&](int64_t i, int n, V w, V g) {
    const V s = loadUpTo<V>(kept[0] + i, n) + g * g;
    storeUpTo(s, kept[0] + i, n);
    return w - rate * (g / (sqrt(s) + epsilon));
  });
}

// v = ρ·v + (1-ρ)·g²;  d = √(u + ε)/√(v + ε)·g;  u = ρ·u + (1-ρ)·d²;  w -= rate·d
template <class T>
void adadelta(int64_t count, T* weight, const T* gradient, Kept<T> kept, const UpdateArgs& args) {
  using V = Vec<T>;
  const Average<V> average(args.beta2);
  const V rate = number<V>(args.rate), epsilon = number<V>(args.epsilon);
  forWeights<V>(count, weight, gradient, args, [&](int64_t i, int n, V w, V g) {
    const V v = average(kept[0] + i, n, g * g);
    const V d = sqrt(loadUpTo<V>(kept[1] + i, n) + epsilon) / sqrt(v + epsilon) * g;
    average(kept[1] + i, n, d * d);
    return w - rate * d;
  });
}

// m and v as Adam's;  direction = (m/c1)/(√(v/c2) + ε) + wd·w
template <class T>
void lamb(int64_t count, T* weight, const T* gradient, Kept<T> kept, const UpdateArgs& args) {
  using V = Vec<T>;
  const double root2 = __builtin_sqrt(args.correction2);
  const Average<V> mean(args.beta1), variance(args.beta2);
  const V epsilon = number<V>(args.epsilon * root2), step = number<V>(root2 / args.correction1),
          decay = number<V>(args.weightDecay);
  forWeights<V>(count, weight, gradient, args, [&](int64_t i, int n, V w, V g) {
    const V m = mean(kept[0] + i, n, g), v = variance(kept[1] + i, n, g * g);
    storeUpTo(step * (m / (sqrt(v) + epsilon)) + decay * w, kept[2] + i, n);
    return w;
  });
}

template <class T>
double sumOfSquares(int64_t count, const T* x) {
  using V = Vec<T>;
  constexpr int64_t kBlock = 4096;
  double total = 0;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t size = count - begin < kBlock ? count - begin : kBlock;
    Vec<double> sum = Vec<double>::zero();
    forEachVector<V>(size, [&](int64_t i, int n) {
      const V v = loadUpTo<V>(x + begin + i, n);
      sum = addProducts(sum, v, v);
    });
    total += sumOfLanes(sum);
  }
  return total;
}

template <class T>
void fill(FloatKernels<T>& k) {
  k.update[static_cast<int>(Rule::kSgd)] = sgd<T>;
  k.update[static_cast<int>(Rule::kAdam)] = adam<T>;
  k.update[static_cast<int>(Rule::kAdamax)] = adamax<T>;
  k.update[static_cast<int>(Rule::kRmsProp)] = rmsProp<T>;
  k.update[static_cast<int>(Rule::kAdagrad)] = adagrad<T>;
  k.update[static_cast<int>(Rule::kAdadelta)] = adadelta<T>;
  k.update[static_cast<int>(Rule::kLamb)] = lamb<T>;
  k.sumOfSquares = sumOfSquares<T>;
}

}  // namespace
}  // namespace latent::LATENT_ISA

void latent::LATENT_ISA::addOptim(KernelTable& table) {
  fill(table.f32);
  fill(table.f64);
}
