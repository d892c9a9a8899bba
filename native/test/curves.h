// The curved functions: their true values, the bounds that kernels are held to, and the error of an answer.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "kernels/unary.h"

namespace latent {
namespace test {

// x/(1 + e^-y), zero of x's sign where e^-y leaves x nothing, -infinity included.
template <class Real>
inline Real weighed(Real x, Real y) {
  const Real e = std::exp(-y);
  return std::isinf(e) ? std::copysign(Real(0), x) : x / (1 + e);
}

template <class Real>
inline Real geluByTanh(Real x) {
  const Real pi = std::acos(Real(-1)), share = Real(44715) / 1000000;
  return weighed(x, 2 * std::sqrt(2 / pi) * (x + share * x * x * x));
}

// A row for each: name; the largest error in ulp as float, and as double, each of the sets with fused multiply-add and of the
// scalar one, which has none; the true value of x, in a type that has digits to spare. The bounds are those of all floats
// (ulp_all.cc) and of the doubles that test_math.cc tries; docs/accuracy.md has the same.
// clang-format off
#define LATENT_CURVES(X)                                                                                                \
  X(Exp, exp, 1.0, 1.3, 1.0, 1.3, std::exp(x))                                                                          \
  X(Expm1, expm1, 1.7, 1.8, 2.1, 2.2, std::expm1(x))                                                                    \
  X(Log, log, 0.9, 0.9, 1.0, 1.0, std::log(x))                                                                          \
  X(Log1p, log1p, 1.3, 1.3, 1.3, 1.3, std::log1p(x))                                                                    \
  X(Rsqrt, rsqrt, 1.5, 1.5, 1.5, 1.5, 1 / std::sqrt(x))                                                                 \
  X(Tanh, tanh, 2.6, 2.6, 2.6, 2.6, std::tanh(x))                                                                       \
  X(Sigmoid, sigmoid, 2.5, 2.5, 2.5, 2.5, weighed(Real(1), x))                                                          \
  X(Erf, erf, 1.1, 1.4, 1.4, 1.7, std::erf(x))                                                                          \
  X(Gelu, gelu, 3.7, 4.8, 5.5, 6.5, std::isinf(x) && x < 0 ? Real(-0.0) : x / 2 * std::erfc(-x * std::sqrt(Real(0.5)))) \
  X(GeluTanh, geluTanh, 3.2, 3.4, 3.2, 3.4, geluByTanh(x))                                                              \
  X(Silu, silu, 3.4, 3.4, 3.4, 3.4, weighed(x, x))                                                                      \
  X(Softplus, softplus, 1.7, 1.8, 1.8, 1.9, std::isnan(x) ? x : std::fmax(x, Real(0)) + std::log1p(std::exp(-std::fabs(x)))) \
  X(Softsign, softsign, 1.5, 1.5, 1.5, 1.5, std::isinf(x) ? std::copysign(Real(1), x) : x / (1 + std::fabs(x)))         \
  X(Sin, sin, 0.6, 0.6, 1.0, 1.0, std::sin(x))                                                                          \
  X(Cos, cos, 0.6, 0.6, 1.0, 1.0, std::cos(x))
// clang-format on

struct Bounds {
  double fused, plain;
  double of(const KernelTable& table) const { return std::strcmp(table.name, "scalar") == 0 ? plain : fused; }
};

struct Curve {
  Unary op;
  const char* name;
  Bounds inFloat, inDouble;
};

inline constexpr Curve kCurves[] = {
#define LATENT_ENTRY(Name, name, fused, plain, fusedDouble, plainDouble, value) \
  {Unary::k##Name, #name, {fused, plain}, {fusedDouble, plainDouble}},
    LATENT_CURVES(LATENT_ENTRY)
#undef LATENT_ENTRY
};

// The true value of a curve at x. Ends the test of a function that has none.
template <class Real>
inline Real trueValue(Unary op, Real x) {
  switch (op) {
#define LATENT_ENTRY(Name, name, fused, plain, fusedDouble, plainDouble, value) \
  case Unary::k##Name: return value;
    LATENT_CURVES(LATENT_ENTRY)
#undef LATENT_ENTRY
    default: break;
  }
  std::fprintf(stderr,
               "The function of one element number %d has no true value: add it to native/test/curves.h, or to "
               "referenceUnary if it is exact\n",
               static_cast<int>(op));
  std::exit(1);
}
constexpr size_t kCurveCount = sizeof kCurves / sizeof *kCurves;

// Of sampled pairs: all of both cannot be tried.
// The plain one is the C library's, which is less accurate on Windows.
#if defined(_WIN32)
inline constexpr double kPlainPow = 1.1;
#else
inline constexpr double kPlainPow = 1.0;
#endif
inline constexpr Bounds kPowInFloat{0.6, 1.0}, kPowInDouble{1.2, kPlainPow};

// The error of `got` in units in the last place of T at `want`; infinity counts as the number after the largest. A NaN
// on one side only, or a zero of the wrong sign, is an infinite error.
template <class T, class Real>
inline double ulps(T got, Real want) {
  using Limits = std::numeric_limits<T>;
  constexpr double wrong = std::numeric_limits<double>::infinity();
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : wrong;
  if (got == 0 && std::signbit(got) != std::signbit(want)) return wrong;
  constexpr int highest = Limits::max_exponent - 1, lowest = Limits::min_exponent - 1;
  const Real beyond = 2 * std::ldexp(Real(1), highest);
  const auto finite = [&](Real x) { return x > beyond ? beyond : (x < -beyond ? -beyond : x); };
  const Real w = finite(want), g = finite(static_cast<Real>(got));
  int exponent = w == 0 ? lowest : std::ilogb(w);
  if (exponent < lowest) exponent = lowest;
  if (exponent > highest) exponent = highest;
  return static_cast<double>(std::fabs(g - w) * std::ldexp(Real(1), Limits::digits - 1 - exponent));
}

}  // namespace test
}  // namespace latent
