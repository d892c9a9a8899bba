// Transcendental functions over vectors. Largest errors, in units in the last place over the sampled range, are
// stated beside each function and held by native/test/test_math.cc.
//
// Sources: range reductions and polynomials of Cephes (Moshier, netlib) for float and of fdlibm (Sun, netlib) for the
// logarithm; the exponential of doubles is its Taylor series to the 13th power, exact to 4e-18 on |r| <= ln2/2.
#pragma once

#include <cmath>

#include "vec.h"

LATENT_ISA_BEGIN

template <class V>
struct MathOf;

template <>
struct MathOf<Vec<float>> {
  using V = Vec<float>;
  static constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  static constexpr float kLog2E = 1.44269504088896341f;
  static constexpr float kExpHigh = 89.0f, kExpLow = -104.5f;
  static constexpr float kSmallestNormal = 1.17549435e-38f, kScaleUp = 8388608.0f, kScaleExponent = 23.0f;
  static constexpr float kTanhSplit = 0.625f;
  static constexpr float kInfinity = __builtin_inff();

  // e^r for |r| <= ln2/2.
  static V expReduced(V r) {
    V p = V::set(1.9875691500e-4f);
    p = fma(p, r, V::set(1.3981999507e-3f));
    p = fma(p, r, V::set(8.3334519073e-3f));
    p = fma(p, r, V::set(4.1665795894e-2f));
    p = fma(p, r, V::set(1.6666665459e-1f));
    p = fma(p, r, V::set(5.0000001201e-1f));
    return fma(p, r * r, r) + V::set(1.0f);
  }
  // The polynomial R(z) of fdlibm's logarithm, log(1+f) = f - f²/2 + s(f²/2 + R(s²)), s = f/(2+f).
  static V logPolynomial(V z) {
    V p = V::set(0.24279078841f);
    p = fma(p, z, V::set(0.28498786688f));
    p = fma(p, z, V::set(0.40000972152f));
    p = fma(p, z, V::set(0.66666662693f));
    return p * z;
  }
  static V tanhSmall(V x) {
    const V z = x * x;
    V p = V::set(-5.70498872745e-3f);
    p = fma(p, z, V::set(2.06390887954e-2f));
    p = fma(p, z, V::set(-5.37397155531e-2f));
    p = fma(p, z, V::set(1.33314422036e-1f));
    p = fma(p, z, V::set(-3.33332819422e-1f));
    return fma(p * z, x, x);
  }
};

template <>
struct MathOf<Vec<double>> {
  using V = Vec<double>;
  static constexpr double kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;
  static constexpr double kLog2E = 1.44269504088896338700;
  static constexpr double kExpHigh = 710.0, kExpLow = -746.0;
  static constexpr double kSmallestNormal = 2.2250738585072014e-308;
  static constexpr double kScaleUp = 4503599627370496.0, kScaleExponent = 52.0;
  static constexpr double kTanhSplit = 0.625;
  static constexpr double kInfinity = __builtin_inf();

  static V expReduced(V r) {
    V p = V::set(1.0 / 6227020800.0);
    p = fma(p, r, V::set(1.0 / 479001600.0));
    p = fma(p, r, V::set(1.0 / 39916800.0));
    p = fma(p, r, V::set(1.0 / 3628800.0));
    p = fma(p, r, V::set(1.0 / 362880.0));
    p = fma(p, r, V::set(1.0 / 40320.0));
    p = fma(p, r, V::set(1.0 / 5040.0));
    p = fma(p, r, V::set(1.0 / 720.0));
    p = fma(p, r, V::set(1.0 / 120.0));
    p = fma(p, r, V::set(1.0 / 24.0));
    p = fma(p, r, V::set(1.0 / 6.0));
    p = fma(p, r, V::set(0.5));
    return fma(p, r * r, r) + V::set(1.0);
  }
  static V logPolynomial(V z) {
    V p = V::set(1.479819860511658591e-01);
    p = fma(p, z, V::set(1.531383769920937332e-01));
    p = fma(p, z, V::set(1.818357216161805012e-01));
    p = fma(p, z, V::set(2.222219843214978396e-01));
    p = fma(p, z, V::set(2.857142874366239149e-01));
    p = fma(p, z, V::set(3.999999999940941908e-01));
    p = fma(p, z, V::set(6.666666666666735130e-01));
    return p * z;
  }
  static V tanhSmall(V x) {
    const V z = x * x;
    V p = V::set(-9.64399179425052238628e-1);
    p = fma(p, z, V::set(-9.92877231001918586564e1));
    p = fma(p, z, V::set(-1.61468768441708447952e3));
    V q = z + V::set(1.12811678491632931402e2);
    q = fma(q, z, V::set(2.23548839060100448583e3));
    q = fma(q, z, V::set(4.84406305325125486048e3));
    return fma(x * z, p / q, x);
  }
};

// e^x: 2 ulp; overflows to infinity, underflows gradually to zero, keeps NaN.
template <class V>
inline V expOf(V x) {
  using M = MathOf<V>;
  const V bounded = max(V::set(M::kExpLow), min(V::set(M::kExpHigh), x));
  const V n = nearest(bounded * V::set(M::kLog2E));
  V r = fma(n, V::set(-M::kLn2High), bounded);
  r = fma(n, V::set(-M::kLn2Low), r);
  // The scale 2^n in two factors, so that neither overflows on its own and denormal results are rounded once.
  const V n1 = nearest(n * V::set(0.5)), n2 = n - n1;
  return M::expReduced(r) * V::power2(n1) * V::power2(n2);
}

// ln x: 2 ulp; -infinity at 0, NaN below.
template <class V>
inline V logOf(V x) {
  using M = MathOf<V>;
  const auto tiny = x < V::set(M::kSmallestNormal);
  const V scaled = select(tiny, x * V::set(M::kScaleUp), x);
  V k = exponentOf(scaled), m = mantissaOf(scaled);
  k = select(tiny, k - V::set(M::kScaleExponent), k);
  const auto high = V::set(1.41421356237309505) < m;
  m = select(high, m * V::set(0.5), m);
  k = select(high, k + V::set(1.0), k);
  const V f = m - V::set(1.0);
  const V s = f / (V::set(2.0) + f);
  const V half = V::set(0.5) * f * f;
  const V r = M::logPolynomial(s * s);
  V y = k * V::set(M::kLn2High) - ((half - fma(s, half + r, k * V::set(M::kLn2Low))) - f);
  y = select(x == V::zero(), V::set(-M::kInfinity), y);
  y = select(x < V::zero(), V::set(__builtin_nan("")), y);
  y = select(x == V::set(M::kInfinity), x, y);
  return select(isNan(x), x, y);
}

// ln(1 + x): 3 ulp. log(u)·x/(u - 1) with u = 1 + x rounded cancels u's rounding error (Kahan).
template <class V>
inline V log1pOf(V x) {
  const V one = V::set(1.0), u = one + x, d = u - one;
  const V safe = select(d == V::zero(), one, d);
  const V y = select(d == V::zero(), x, logOf(u) * (x / safe));
  return select(u == V::set(MathOf<V>::kInfinity), x, y);
}

// e^x - 1: 4 ulp, by the same device.
template <class V>
inline V expm1Of(V x) {
  const V one = V::set(1.0), u = expOf(x), d = u - one;
  const auto tiny = u == one;
  const V divisor = logOf(select(tiny, V::set(2.0), u));
  V y = d * (x / divisor);
  y = select(d == V::set(-1.0), d, y);
  y = select(u == V::set(MathOf<V>::kInfinity), u, y);
  y = select(isNan(x), x, y);
  return select(tiny, x, y);
}

// tanh x: 3 ulp; keeps the sign of zero.
template <class V>
inline V tanhOf(V x) {
  const V one = V::set(1.0), a = abs(x);
  const V large = one - V::set(2.0) / (expOf(a + a) + one);
  const V signedLarge = select(x < V::zero(), -large, large);
  const V y = select(a < V::set(MathOf<V>::kTanhSplit), MathOf<V>::tanhSmall(x), signedLarge);
  return select(isNan(x), x, select(x == V::zero(), x, y));
}

// 1 / (1 + e^-x): 3 ulp. Through e^-|x|, which never overflows, so that the left tail ends in denormals.
template <class V>
inline V sigmoidOf(V x) {
  const V one = V::set(1.0), e = expOf(-abs(x));
  return select(x < V::zero(), e, one) / (one + e);
}

// ln(1 + e^x), as max(x, 0) + ln(1 + e^-|x|) so that neither end overflows.
template <class V>
inline V softplusOf(V x) {
  return max(V::zero(), x) + log1pOf(expOf(-abs(x)));
}

template <class V, class F>
inline V perLane(V x, F f) {
  typename V::Element lanes[V::kLanes];
  x.store(lanes);
  for (int i = 0; i < V::kLanes; ++i) lanes[i] = f(lanes[i]);
  return V::load(lanes);
}

// The error function, by the C library, lane by lane.
inline Vec<float> erfOf(Vec<float> x) {
  return perLane(x, [](float v) { return ::erff(v); });
}
inline Vec<double> erfOf(Vec<double> x) {
  return perLane(x, [](double v) { return ::erf(v); });
}

// x·Φ(x) = x·erfc(-x/√2)/2, which keeps the left tail's digits: 1 ulp (float), 24 ulp (double).
inline Vec<float> geluOf(Vec<float> x) {
  return perLane(x, [](float v) {
    if (v == -__builtin_inff()) return -0.0f;
    return static_cast<float>(0.5 * v * ::erfc(-v * 0.70710678118654752440));
  });
}
// In the tail erfc(z) changes by the factor e^(-2zr) for an error r of z: the rounding of z is worked out and taken back.
inline Vec<double> geluOf(Vec<double> x) {
  return perLane(x, [](double v) {
    constexpr double c = 0.70710678118654752440, cLow = -4.833646656726457e-17, twoOverRootPi = 1.1283791670955126;
    if (!(v > -40.0 && v < 40.0)) return v > 0 ? v : (v < 0 ? -0.0 : v);
    const double z = -v * c, r = __builtin_fma(-v, c, -z) - v * cLow;
    return 0.5 * v * (::erfc(z) - r * twoOverRootPi * ::exp(-z * z));
  });
}

LATENT_ISA_END
