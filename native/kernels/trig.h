// Sine and cosine: the nearest multiple of π/2 is taken away in parts, as fdlibm does (Sun, netlib), and its polynomials
// for what is left are taken of the quarter that the multiple tells. Beyond kTurnsBound, where the parts have too few
// digits, each number goes to the C library by itself.
#pragma once

#include <cmath>

#include "lanes.h"
#include "math.h"

namespace latent::LATENT_ISA {
namespace {

// 2^20 quarters.
constexpr double kTurnsBound = 1647099.0;

// π/2 in parts whose products with 20 bits are exact, and what is left of it.
constexpr double kQuarter1 = 1.57079632673412561417e+00, kQuarter2 = 6.07710050630396597660e-11;
constexpr double kQuarter3 = 2.02226624871116645580e-21, kQuarterRest = 8.47842766036889956997e-32;
constexpr double kQuarterInverse = 6.36619772367581382433e-01;

// The angle left is high + low; `quarter` in -2..2 tells which multiple was taken away, modulo 4.
template <class V>
struct Angle {
  V high, low, quarter;
};

// a - b and what its rounding took (Knuth).
template <class V>
inline V difference(V a, V b, V& lost) {
  const V d = a - b, moved = d - a;
  lost = (a - (d - moved)) - (b + moved);
  return d;
}

template <class V>
inline Angle<V> angleOf(V x) {
  const V n = roundToEven(x * V::set(kQuarterInverse));
  V lost, lostAgain;
  const V first = difference(x - n * V::set(kQuarter1), n * V::set(kQuarter2), lost);
  const V tail = difference(lost, n * V::set(kQuarter3), lostAgain);
  const V high = first + tail;
  const V low = ((first - high) + tail) + (lostAgain - n * V::set(kQuarterRest));
  return {high, low, n - V::set(4.0) * roundToEven(n * V::set(0.25))};
}

template <class V>
inline V sineOf(V x, V low) {
  const V z = x * x, cube = z * x;
  const V r = polynomial(z, 1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
                         -1.98412698298579493134e-04, 8.33333333332248946124e-03);
  return x - ((z * (V::set(0.5) * low - cube * r) - low) - cube * V::set(-1.66666666666666324348e-01));
}

template <class V>
inline V cosineOf(V x, V low) {
  const V one = V::set(1.0), z = x * x, half = V::set(0.5) * z, most = one - half;
  const V r = z * polynomial(z, -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
                             2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02);
  return most + (((one - most) - half) + (z * r - x * low));
}

// Of doubles within the bound.
template <bool kCosine, class V>
inline V turnOf(V x) {
  const Angle<V> angle = angleOf(x);
  const V sine = sineOf(angle.high, angle.low), cosine = cosineOf(angle.high, angle.low), zero = V::zero();
  const V quarter = angle.quarter, size = abs(quarter);
  const auto odd = size == V::set(1.0);
  const V value = kCosine ? select(odd, sine, cosine) : select(odd, cosine, sine);
  // The sine falls after two quarters, the cosine after one.
  const V turned = kCosine ? select(odd, -quarter, V::set(1.0) - size) : select(odd, quarter, V::set(1.0) - size);
  const V result = select(turned < zero, -value, value);
  // -0 has lost its sign on the way.
  return kCosine ? result : select(x == zero, x, result);
}

// Floats in doubles, which leave them correct to all but a few digits in a thousand million.
template <bool kCosine, class V>
inline V turned(V x) {
  if constexpr (sizeof(typename V::Element) == 4) {
    typename MathOf<V>::Double low, high;
    widen(x, low, high);
    return narrow(turnOf<kCosine>(low), turnOf<kCosine>(high));
  } else {
    return turnOf<kCosine>(x);
  }
}

template <bool kCosine>
inline float turnOfLane(float x) {
  return kCosine ? ::cosf(x) : ::sinf(x);
}
template <bool kCosine>
inline double turnOfLane(double x) {
  return kCosine ? ::cos(x) : ::sin(x);
}

template <class T, bool kCosine>
void trigonometric(int64_t count, const T* x, T* out) {
  using V = Vec<T>;
  constexpr int64_t kBlock = 256;
  if constexpr (V::kLanes == 1) {
    for (int64_t i = 0; i < count; ++i) out[i] = turnOfLane<kCosine>(x[i]);
  } else {
    T before[kBlock];
    for (int64_t begin = 0; begin < count; begin += kBlock) {
      const int64_t size = count - begin < kBlock ? count - begin : kBlock;
      const T* from = x + begin;
      V largest = V::zero();
      forEachVector<V>(size, [&](int64_t i, int n) { largest = max(abs(loadUpTo<V>(from + i, n)), largest); });
      const bool far = maximumOfLanes(largest) >= static_cast<T>(kTurnsBound);
      if (far) {
        for (int64_t i = 0; i < size; ++i) before[i] = from[i];
      }
      forEachVector<V>(size,
                       [&](int64_t i, int n) { storeUpTo(turned<kCosine>(loadUpTo<V>(from + i, n)), out + begin + i, n); });
      for (int64_t i = 0; far && i < size; ++i) {
        if (!(before[i] < static_cast<T>(kTurnsBound) && before[i] > -static_cast<T>(kTurnsBound))) {
          out[begin + i] = turnOfLane<kCosine>(before[i]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace latent::LATENT_ISA
