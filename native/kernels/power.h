// a to the power b, as C99 has it: e^(b·ln|a|), with the logarithm accurate enough that the product leaves nothing to
// see of its error.
#pragma once

#include "math.h"

namespace latent::LATENT_ISA {
namespace {

// Whether a number >= 0 is an integer: none above the limit has a fraction.
template <class V>
inline typename V::Mask isInteger(V x) {
  const V limit = V::set(MathOf<V>::kScaleUp), bounded = min(limit, x);
  return (bounded + limit) - limit == bounded;
}

// The fast sum of two numbers of which the first is the larger, or 0 (Dekker): sum + low = a + b exactly.
template <class V>
inline V fastSum(V a, V b, V& low) {
  const V sum = a + b;
  low = b - (sum - a);
  return sum;
}

// ln x = high + low to 2^-64 of it, for x >= 0.
inline Vec<double> logInTwo(Vec<double> x, Vec<double>& low) {
  using V = Vec<double>;
  using M = MathOf<V>;
  const V one = V::set(1.0), two = V::set(2.0);
  V k;
  const V f = fractionOf(x, k) - one;
  // ln(1 + f) = 2s + 2/3·s³ + 2/5·s⁵ + s⁷·T(s²) with s = f/(2 + f); all but the last in two parts.
  V divisorLow;
  const V divisor = fastSum(two, f, divisorLow), inverse = one / divisor, s = f * inverse;
  const V product = s * divisor;
  const V remainder = (f - product) - (productError(s, divisor, product) + s * divisorLow), sLow = remainder * inverse;
  const V z = s * s, zLow = fma(two * s, sLow, productError(s, s, z));
  const V cube = z * s, cubeLow = productError(z, s, cube) + fma(z, sLow, zLow * s);
  const V fifth = z * cube, fifthLow = productError(z, cube, fifth) + fma(z, cubeLow, zLow * cube);
  const V twoThirds = V::set(6.6666666666666663e-01), twoThirdsLow = V::set(3.7007434154171883e-17);
  const V twoFifths = V::set(0.4), twoFifthsLow = V::set(-2.2204460492503132e-17);
  const V second = twoThirds * cube, third = twoFifths * fifth;
  const V secondLow = productError(twoThirds, cube, second) + fma(twoThirds, cubeLow, twoThirdsLow * cube);
  const V thirdLow = productError(twoFifths, fifth, third) + fma(twoFifths, fifthLow, twoFifthsLow * fifth);
  // To 2^-66 of ln(1 + f).
  const V t =
      polynomial(z, 1.22309495759482550e-01, 1.16488935833488461e-01, 1.33373185678700296e-01, 1.53845418949234508e-01,
                 1.81818188709524847e-01, 2.22222222195538027e-01, 2.85714285714303629e-01);
  V low1, low2, low3;
  const V first = fastSum(fastSum(fastSum(k * V::set(M::kLn2High), two * s, low1), second, low2), third, low3);
  const V lows = low1 + low2 + low3 + fma(two, sLow, secondLow + thirdLow);
  const V rest = fma(fifth * z, t, fma(k, V::set(M::kLn2Low), lows));
  const auto finite = abs(k) < V::set(M::kInfinity);
  const V high = select(finite, fastSum(first, rest, low), k);
  low = select(finite, low, V::zero());
  return high;
}

// e^(y·ln a) for a >= 0 and y that are floats, as accurate as a float needs: to 2^-33.
inline Vec<double> powerOfSingle(Vec<double> a, Vec<double> y) {
  using V = Vec<double>;
  using M = MathOf<V>;
  const V one = V::set(1.0), two = V::set(2.0);
  V k;
  const V f = fractionOf(a, k) - one, s = f / (two + f), z = s * s;
  const V tail = polynomial(z, 2.01234591282211689e-01, 2.21350852906575524e-01, 2.85731829816283811e-01,
                            3.99999846773700096e-01, 6.66666667098559707e-01);
  const V log = fma(k, V::set(M::kLn2High + M::kLn2Low), fma(s * z, tail, two * s));
  // Beyond these bounds a float is infinite or zero; 2^n is a normal double within.
  V n;
  const V r = reduced(max(V::set(-120.0), min(V::set(100.0), y * log)), n);
  const V p = polynomial(r, 1.98048348971292115e-04, 1.39430013355413217e-03, 8.33346923414570243e-03,
                         4.16663249528430937e-02, 1.66666660056973531e-01, 5.00000005531692882e-01, 1.0, 1.0);
  return p * V::power2(n);
}

// e^(y·ln a) for a >= 0.
template <class V>
inline V powerOfPositive(V a, V y) {
  using M = MathOf<V>;
  if constexpr (sizeof(typename V::Element) == 4) {
    typename M::Double aLow, aHigh, yLow, yHigh;
    widen(a, aLow, aHigh);
    widen(y, yLow, yHigh);
    return narrow(powerOfSingle(aLow, yLow), powerOfSingle(aHigh, yHigh));
  } else {
    V logLow, n;
    const V log = logInTwo(a, logLow), product = y * log;
    const V low = fma(y, logLow, productError(y, log, product));
    const V bounded = max(V::set(M::kExpLow), min(V::set(M::kExpHigh), product)), r = reduced(bounded, n);
    return scaled(expReduced(select(bounded == product, r + low, r)), n);
  }
}

// One lane gains nothing from the vector's steps: the C library's own.
inline float powLane(float x, float y) { return ::powf(x, y); }
inline double powLane(double x, double y) { return ::pow(x, y); }

template <class V>
inline V powOf(V x, V y) {
  if constexpr (V::kLanes == 1) {
    return {powLane(x.v, y.v)};
  } else {
    const V one = V::set(1.0), infinity = V::set(MathOf<V>::kInfinity), nan = V::set(__builtin_nan(""));
    const V a = abs(x), size = abs(y);
    V result = powerOfPositive(a, y);
    // ln 1 is 0, and makes NaN of an infinite exponent.
    result = select(a == one, select(isNan(y), y, one), result);
    const V whole = select(isInteger(size * V::set(0.5)), result, withSignOf(result, x));
    // A fraction of a negative number is NaN, one of a negative zero or infinity has no sign.
    const V fraction = select(x < V::zero(), select(-infinity < x, nan, result), result);
    result = select(isInteger(size), whole, fraction);
    result = select(x == one, one, result);
    return select(y == V::zero(), one, result);
  }
}

}  // namespace
}  // namespace latent::LATENT_ISA
