// Transcendental functions over vectors, on all of float and double: denormal numbers, zeros with their sign,
// infinities and NaN as C99 has them.
//
// One evaluation per function, without branches: ranges are told apart by selects, and at most one division is made.
// Polynomials and rational functions are minimax fits (Remez's exchange) of the quotient that each comment names.
// The devices they stand on are those of fdlibm (Sun, netlib) and Cephes (Moshier, netlib): Cody and Waite's two-part
// ln 2, log(1 + f) by s = f/(2 + f), and e^(-x²) with the rounding of x² taken back.
//
// The errors stated are the largest of all floats on any set with fused multiply-add (and on the scalar one), and of the
// doubles tried: `npm run ulp` measures them, native/test/test_math.cc holds a sample to them (native/test/curves.h).
#pragma once

#include <cmath>

#include "vec.h"

namespace latent::LATENT_ISA {
namespace {

// c[0]·x^n + … + c[n], by Horner's rule: the leading coefficient comes first.
template <class V>
inline V polynomialFrom(V p, V) {
  return p;
}
template <class V, class... Rest>
inline V polynomialFrom(V p, V x, double c, Rest... rest) {
  return polynomialFrom(fma(p, x, V::set(static_cast<typename V::Element>(c))), x, rest...);
}
template <class V, class... Rest>
inline V polynomial(V x, double leading, Rest... rest) {
  return polynomialFrom(V::set(static_cast<typename V::Element>(leading)), x, rest...);
}

template <class V>
struct MathOf;

template <>
struct MathOf<Vec<float>> {
  using V = Vec<float>;
  using Double = Vec<double>;
  // ln 2 in two parts, the first with zeros enough that its product with any exponent is exact.
  static constexpr float kLn2High = 0.693145752f, kLn2Low = 1.42860677e-6f;
  static constexpr float kLog2E = 1.44269504088896341f;
  // Added to a number below 2^22 and taken away again, it leaves the nearest integer.
  static constexpr float kRounder = 12582912.0f;
  // Beyond these e^x is infinite, and |x|·e^x zero.
  static constexpr float kExpHigh = 89.0f, kExpLow = -120.0f;
  static constexpr float kExpm1Low = -30.0f;
  static constexpr float kSmallestNormal = 1.17549435e-38f, kScaleUp = 8388608.0f, kScaleExponent = 23.0f;
  static constexpr float kSmallestExponent = -126.0f;
  static constexpr float kTanhOne = 10.0f;
  // Below it 1 + x is 1, and ln(1 + x) is x.
  static constexpr float kLog1pOne = 2.98023224e-8f;
  static constexpr float kErfSplit = 0.875f, kErfOne = 4.0f;
  static constexpr float kGeluZero = 15.0f, kGeluWhole = 6.0f;
  // 2√(2/π) and 0.044715·2√(2/π), each with what its rounding took.
  static constexpr float kGeluTanhZero = 11.2f, kTanhLinear = 1.59576917f, kTanhLinearLow = -4.53406804e-8f;
  static constexpr float kTanhCubic = 0.0713548139f, kTanhCubicLow = 2.3988324e-9f;
  static constexpr float kLargest = 3.40282347e+38f, kInfinity = __builtin_inff();

  // (e^r - 1 - r)/r² for |r| <= ln2/2, to 2^-26 of e^r - 1.
  static V expTail(V r) { return polynomial(r, 1.394697581e-3, 8.366596885e-3, 4.166627303e-2, 1.666654348e-1, 0.5); }
  // ln(1 + f) + k·ln 2 for f in [-0.25, 0.5]: (ln(1 + f) - f + f²/2)/f³ to 2^-27 of ln(1 + f).
  static V logOfOnePlus(V f, V k) {
    const V z = f * f;
    const V p = polynomial(f, -4.630372673e-2, 1.059052646e-1, -1.318218261e-1, 1.446462423e-1, -1.664397568e-1,
                           1.999135464e-1, -2.500019372e-1, 3.333344162e-1);
    V y = fma(k, V::set(kLn2Low), p * (f * z));
    y = f + fma(z, V::set(-0.5f), y);
    return fma(k, V::set(kLn2High), y);
  }
  // erf(x)/x - 1 from x² for x up to the split, to 2^-26 of erf(x).
  static V erfTail(V z) {
    return polynomial(z, -6.203251542e-4, 5.032184534e-3, -2.679146826e-2, 1.128245592e-1, -3.761255145e-1, 1.283791512e-1);
  }
  // -ln erfc(a) from the split to where erf is 1, to 2^-29 of erf.
  static V erfExponent(V a) {
    return polynomial(a, -1.998423540e-4, 3.081476083e-3, -2.237918228e-2, 1.042467952e-1, 6.368240714e-1, 1.127887607,
                      1.445992966e-4);
  }
  // Φ(-a)·e^(a²/2) = (numeratorEven + a·numeratorOdd)/denominator for a in [0, kGeluZero] and z = a², to 2^-27. All
  // coefficients are positive: nothing cancels. They have a common factor with which their rounding to floats does
  // the least harm.
  static V geluNumeratorEven(V z) { return polynomial(z, 0.00498600025, 0.221466333, 0.603271484); }
  static V geluNumeratorOdd(V z) { return polynomial(z, 0.0491561219, 0.529339314); }
  static V geluDenominator(V a, V z) {
    return fma(polynomial(z, 0.0124979094, 0.56745398, 2.02136111), a, polynomial(z, 0.123223729, 1.45246816, 1.20654297));
  }
};

template <>
struct MathOf<Vec<double>> {
  using V = Vec<double>;
  static constexpr double kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;
  static constexpr double kLog2E = 1.44269504088896338700;
  static constexpr double kRounder = 6755399441055744.0;
  static constexpr double kExpHigh = 710.0, kExpLow = -760.0;
  static constexpr double kExpm1Low = -60.0;
  static constexpr double kSmallestNormal = 2.2250738585072014e-308;
  static constexpr double kScaleUp = 4503599627370496.0, kScaleExponent = 52.0;
  static constexpr double kSmallestExponent = -1022.0;
  static constexpr double kTanhOne = 20.0;
  static constexpr double kLog1pOne = 5.5511151231257827e-17;
  static constexpr double kErfSplit = 1.0, kErfOne = 6.0;
  static constexpr double kGeluZero = 38.8, kGeluWhole = 9.0;
  static constexpr double kGeluTanhZero = 22.0, kTanhLinear = 1.5957691216057308;
  static constexpr double kTanhLinearLow = -9.9693088091109202e-17;
  static constexpr double kTanhCubic = 0.071354816272600249, kTanhCubicLow = -6.175149918155315e-19;
  static constexpr double kLargest = 1.7976931348623157e+308, kInfinity = __builtin_inf();

  // To 2^-55 of e^r - 1.
  static V expTail(V r) {
    return polynomial(r, 2.51262064219281005e-08, 2.76257938306347833e-07, 2.75571968272549660e-06, 2.48015061115027491e-05,
                      1.98412699312013947e-04, 1.38888889306046132e-03, 8.33333333330465130e-03, 4.16666666665809551e-02,
                      1.66666666666666963e-01, 5.00000000000000444e-01);
  }
  // ln(1 + f) = f - (f²/2 - s·(f²/2 + R)) with s = f/(2 + f) and R = 2·(atanh(s)/s - 1), to 2^-55 of it.
  static V logOfOnePlus(V f, V k) {
    const V s = f / (V::set(2.0) + f), z = s * s, half = V::set(0.5) * f * f;
    const V r =
        z * polynomial(z, 1.53695640746725870e-01, 1.52500847969553821e-01, 1.81863565019492218e-01,
                       2.22221386492351125e-01, 2.85714293906842220e-01, 3.99999999962118602e-01, 6.66666666666725360e-01);
    return k * V::set(kLn2High) - ((half - fma(s, half + r, k * V::set(kLn2Low))) - f);
  }
  // To 2^-56 of erf(x).
  static V erfTail(V z) {
    return polynomial(z, -7.77946297176159706e-10, 1.37109887041905227e-08, -1.62063187529692083e-07,
                      1.64471326997866215e-06, -1.49247124395348144e-05, 1.20552935869369502e-04, -8.54832592976624431e-04,
                      5.22397760613084201e-03, -2.68661706431134149e-02, 1.12837916709442002e-01, -3.76126389031835207e-01,
                      1.28379167095512559e-01);
  }
  // To 2^-57 of erf.
  static V erfExponent(V a) {
    return polynomial(a, 4.86242346184251841e-12, -2.01932049873461117e-10, 3.88820191558952855e-09,
                      -4.59134337136692091e-08, 3.69416362606741261e-07, -2.11397677321502940e-06, 8.57533373420406342e-06,
                      -2.25216829695040848e-05, 1.94943509799937664e-05, 1.36613305724834908e-04, -7.73136625917748409e-04,
                      1.91906170014851914e-03, -4.13648144810209906e-04, -1.89879606837620313e-02, 1.02702246343513034e-01,
                      6.36644071126839184e-01, 1.12837398806605038, 5.13626429762731031e-07);
  }
  // To 2^-59.
  static V geluNumeratorEven(V z) {
    return polynomial(z, 2.24052212214063809e-07, 1.06525420663491211e-04, 7.12055077642388592e-03, 1.32016817740260944e-01,
                      6.79527683027684293e-01, 0.5);
  }
  static V geluNumeratorOdd(V z) {
    return polynomial(z, 6.97240816558170942e-06, 1.03931754516947672e-03, 3.56580480291697963e-02, 3.57283571601813676e-01,
                      8.27871330173547970e-01);
  }
  static V geluDenominator(V a, V z) {
    return fma(polynomial(z, 5.61615610129267107e-07, 2.67581247008996019e-04, 1.81144702982074871e-02,
                          3.48237231608098108e-01, 2.00116966935019835, 2.45362722114996146),
               a,
               polynomial(z, 1.74772354501454328e-05, 2.62265998069824815e-03, 9.19516999764561360e-02,
                          9.79923122219933163e-01, 2.81676664377655284, 1.0));
  }
};

// ---------- what an instruction set may do better by functions of its own

// x·2^n for integral n and x of a size near 1; rounded once where the product is a denormal number. Where it vanishes the
// factor is a zero, for a product that underflows takes a CPU a hundred cycles and more.
template <class V>
inline V scaled(V x, V n) {
  const V rounder = V::set(MathOf<V>::kRounder);
  // Two factors, so that neither leaves the normal numbers.
  const V half = fma(n, V::set(0.5), rounder) - rounder;
  const auto vanishes = n < V::set(kVanishing<typename V::Element>);
  return x * V::power2(half) * select(vanishes, V::zero(), V::power2(n - half));
}

// x = m·2^k with m in [0.75, 1.5). Where a logarithm has no use for m, k is the logarithm: -infinity at 0, NaN below,
// infinity and NaN themselves.
template <class V>
inline V fractionOf(V x, V& k) {
  using M = MathOf<V>;
  const auto tiny = x < V::set(M::kSmallestNormal);
  const V normal = select(tiny, x * V::set(M::kScaleUp), x);
  k = exponentOf(normal);
  k = select(tiny, k - V::set(M::kScaleExponent), k);
  V m = mantissaOf(normal);
  const auto high = V::set(1.5) <= m;
  m = select(high, m * V::set(0.5), m);
  k = select(high, k + V::set(1.0), k);
  k = select(x == V::zero(), V::set(-M::kInfinity), k);
  k = select(x < V::zero(), V::set(__builtin_nan("")), k);
  k = select(x < V::set(M::kInfinity), k, x);
  return m;
}

// a·b - p exactly, for p within an ulp or two of a·b.
template <class V>
inline V productError(V a, V b, V p) {
  return fma(a, b, -p);
}

// ---------- pieces

// n and r with x = n·ln 2 + r and |r| <= ln2/2.
template <class V>
inline V reduced(V x, V& n) {
  using M = MathOf<V>;
  const V rounder = V::set(M::kRounder);
  n = fma(x, V::set(M::kLog2E), rounder) - rounder;
  return fma(n, V::set(-M::kLn2Low), fma(n, V::set(-M::kLn2High), x));
}

// e^r and e^r - 1 for |r| <= ln2/2.
template <class V>
inline V expReduced(V r) {
  const V one = V::set(1.0);
  return fma(fma(MathOf<V>::expTail(r), r, one), r, one);
}
template <class V>
inline V expm1Reduced(V r) {
  return fma(r * r, MathOf<V>::expTail(r), r);
}

// -|x|, but no lower than where its exponential is zero; NaN stays.
template <class V>
inline V negativeBounded(V x) {
  return max(V::set(MathOf<V>::kExpLow), -abs(x));
}

// ---------- functions

// e^x
// Largest error in ulp: 1.0 (scalar 1.3), of doubles 1.0 (1.3).
template <class V>
inline V expOf(V x) {
  using M = MathOf<V>;
  V n;
  const V r = reduced(max(V::set(M::kExpLow), min(V::set(M::kExpHigh), x)), n);
  return scaled(expReduced(r), n);
}

// ln x
// Largest error in ulp: 0.9 (scalar 0.9), of doubles 1.0 (1.0).
template <class V>
inline V logOf(V x) {
  V k;
  const V m = fractionOf(x, k);
  return MathOf<V>::logOfOnePlus(m - V::set(1.0), k);
}

// ln(1 + x): of u = 1 + x rounded, with what the rounding took from x put back into its fraction.
// Largest error in ulp: 1.3 (scalar 1.3), of doubles 1.3 (1.3).
template <class V>
inline V log1pOf(V x) {
  using M = MathOf<V>;
  const V one = V::set(1.0), u = one + x, lost = x - (u - one);
  V k;
  const V m = fractionOf(u, k);
  // Where the exponent passes these bounds nothing of weight was lost.
  const V unit = V::power2(max(V::set(M::kSmallestExponent), min(V::set(M::kScaleExponent + 1), -k)));
  const auto tiny = abs(x) < V::set(M::kLog1pOne);
  const V f = select(tiny, V::zero(), fma(lost, unit, m - one));
  const V y = withSignOf(abs(M::logOfOnePlus(f, k)), x);
  return select(tiny, x, select(u == V::set(M::kInfinity), x, y));
}

// e^x - 1 = 2^n·(e^r - 1) + 2^n - 1, made at half its size so that n may be the exponent of infinity.
// Largest error in ulp: 1.7 (scalar 1.8), of doubles 2.1 (2.2).
template <class V>
inline V expm1Of(V x) {
  using M = MathOf<V>;
  V n;
  const V r = reduced(max(V::set(M::kExpm1Low), min(V::set(M::kExpHigh), x)), n);
  const V halfUnit = V::power2(n - V::set(1.0));
  const V half = fma(expm1Reduced(r), halfUnit, halfUnit - V::set(0.5));
  // Half of a denormal number is none, and the sum of zeros has lost its sign.
  return select(abs(x) < V::set(M::kSmallestNormal * 4), x, half + half);
}

// tanh x = t/(t + 2) with t = e^(2|x|) - 1
// Largest error in ulp: 2.6 (scalar 2.6), of doubles 2.6 (2.6).
template <class V>
inline V tanhOf(V x) {
  const V a = min(V::set(MathOf<V>::kTanhOne), abs(x));
  V n;
  const V r = reduced(a + a, n), unit = V::power2(n);
  const V t = fma(expm1Reduced(r), unit, unit - V::set(1.0));
  return withSignOf(t / (t + V::set(2.0)), x);
}

// 1/(1 + e^-x), through e^-|x|, which never overflows, so that the left tail ends in denormal numbers.
// Largest error in ulp: 2.5 (scalar 2.5), of doubles 2.5 (2.5).
template <class V>
inline V sigmoidOf(V x) {
  const V one = V::set(1.0);
  V n;
  const V r = reduced(negativeBounded(x), n), e = scaled(expReduced(r), n);
  return select(x < V::zero(), e, one) / (one + e);
}

// x/(1 + e^-v) for p·2^n = e^-|v| and v of x's sign: on the left x·e^v/(1 + e^v) with the power of two applied last,
// since x·e^v is larger than e^v, and only the product may be a denormal number.
template <class V>
inline V weighed(V x, V p, V n) {
  const V e = p * V::power2(max(V::set(MathOf<V>::kSmallestExponent + 1), n));
  const auto left = x < V::zero();
  const V quotient = select(left, x * p, x) / (V::set(1.0) + e);
  return select(left, scaled(quotient, n), quotient);
}

// x/(1 + e^-x)
// Largest error in ulp: 3.4 (scalar 3.4), of doubles 3.4 (3.4).
template <class V>
inline V siluOf(V x) {
  V n;
  const V r = reduced(negativeBounded(x), n);
  return weighed(max(V::set(MathOf<V>::kExpLow), x), expReduced(r), n);
}

// x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2 = x/(1 + e^-v), v twice the argument of tanh. In the left tail e^v turns
// the rounding of v into a hundred ulp: v is worked out in two parts.
// Largest error in ulp: 3.2 (scalar 3.4), of doubles 3.2 (3.4).
template <class V>
inline V geluTanhOf(V x) {
  using M = MathOf<V>;
  const V linear = V::set(M::kTanhLinear), cubic = V::set(M::kTanhCubic);
  const V a = min(V::set(M::kGeluTanhZero), abs(x)), square = a * a, term = cubic * square;
  // factor + factorLow = linear + cubic·a², the sum's rounding by Knuth's six operations.
  const V factor = term + linear, second = factor - term;
  V factorLow = (term - (factor - second)) + (linear - second);
  factorLow = factorLow + fma(cubic, productError(a, a, square), productError(cubic, square, term));
  factorLow = factorLow + fma(V::set(M::kTanhCubicLow), square, V::set(M::kTanhLinearLow));
  const V v = a * factor, low = fma(a, factorLow, productError(a, factor, v));
  V n;
  const V r = reduced(-v, n) - low;
  return weighed(max(V::set(-M::kGeluTanhZero), x), expReduced(r), n);
}

// ln(1 + e^x), as max(x, 0) + ln(1 + e^-|x|) so that neither end overflows.
// Largest error in ulp: 1.7 (scalar 1.8), of doubles 1.8 (1.9).
template <class V>
inline V softplusOf(V x) {
  const V half = V::set(0.5);
  V n;
  const V r = reduced(negativeBounded(x), n), e = scaled(expReduced(r), n);
  const auto small = e < half, tiny = e < V::set(MathOf<V>::kLog1pOne);
  const V f = select(small, e, fma(e, half, -half)), k = select(small, V::zero(), V::set(1.0));
  const V log = MathOf<V>::logOfOnePlus(select(tiny, V::zero(), f), k);
  return max(V::zero(), x) + select(tiny, e, log);
}

// x/(1 + |x|), of infinity as of the largest number: 1
// Largest error in ulp: 1.5 (scalar 1.5), of doubles 1.5 (1.5).
template <class V>
inline V softsignOf(V x) {
  const V a = min(V::set(MathOf<V>::kLargest), abs(x));
  return withSignOf(a / (V::set(1.0) + a), x);
}

// The error function: x + x·P(x²) for small |x|, 1 - e^(-L(|x|)) for larger.
// Largest error in ulp: 1.1 (scalar 1.4), of doubles 1.4 (1.7).
template <class V>
inline V erfOf(V x) {
  using M = MathOf<V>;
  const V a = abs(x), one = V::set(1.0), rounder = V::set(M::kRounder);
  const V small = fma(a, M::erfTail(a * a), a);
  const V exponent = M::erfExponent(min(V::set(M::kErfOne), a));
  const V n = fma(exponent, V::set(-M::kLog2E), rounder) - rounder;
  const V r = fma(n, V::set(-(M::kLn2High + M::kLn2Low)), -exponent);
  const V large = one - expReduced(r) * V::power2(n);
  return withSignOf(select(a < V::set(M::kErfSplit), small, large), x);
}

// x·Φ(x) = max(x, 0) - |x|·Φ(-|x|). The second term is e^(-x²/2) times |x| times a quotient of polynomials, and is
// accurate relative to itself down to the denormal numbers: the left tail keeps its digits. What the last steps of the
// quotient lose is collected and put back.
// Largest error in ulp: 3.7 (scalar 4.8), of doubles 5.5 (6.5).
template <class V>
inline V geluOf(V x) {
  using M = MathOf<V>;
  const V half = V::set(-0.5);
  const V a = min(V::set(M::kGeluZero), abs(x)), square = a * a;
  V n;
  const V r = fma(productError(a, a, square), half, reduced(square * half, n));
  const V even = M::geluNumeratorEven(square), odd = M::geluNumeratorOdd(square);
  const V numerator = fma(odd, a, even), numeratorLow = fma(odd, a, even - numerator);
  const V denominator = M::geluDenominator(a, square), inverse = V::set(1.0) / denominator;
  const V quotient = numerator * inverse;
  const V quotientLow = (numeratorLow - productError(quotient, denominator, numerator)) * inverse;
  const V product = a * quotient, productLow = fma(a, quotientLow, productError(a, quotient, product));
  // Beyond this x the second term is less than half an ulp of x.
  n = select(V::set(M::kGeluWhole) < x, V::set(kVanishing<typename V::Element> - 1), n);
  const V tail = scaled(product + fma(product, expm1Reduced(r), productLow), n);
  return withSignOf(abs(max(V::zero(), x) - tail), x);
}

}  // namespace
}  // namespace latent::LATENT_ISA
