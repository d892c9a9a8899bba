// The curved functions: their true values, the bounds that kernels are held to, and the error of an answer.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/unary.h"

namespace latent {
namespace test {

// In Real, which has digits to spare over the type under test.
template <class Real>
inline Real trueValue(Unary op, Real x) {
  // x/(1 + e^-y), zero of x's sign where e^-y leaves x nothing, -infinity included.
  const auto weighed = [](Real x, Real y) {
    const Real e = std::exp(-y);
    return std::isinf(e) ? std::copysign(Real(0), x) : x / (1 + e);
  };
  switch (op) {
    case Unary::kExp: return std::exp(x);
    case Unary::kLog: return std::log(x);
    case Unary::kLog1p: return std::log1p(x);
    case Unary::kExpm1: return std::expm1(x);
    case Unary::kRsqrt: return 1 / std::sqrt(x);
    case Unary::kTanh: return std::tanh(x);
    case Unary::kSigmoid: return weighed(Real(1), x);
    case Unary::kErf: return std::erf(x);
    case Unary::kSin: return std::sin(x);
    case Unary::kCos: return std::cos(x);
    case Unary::kGelu: return std::isinf(x) && x < 0 ? Real(-0.0) : x / 2 * std::erfc(-x * std::sqrt(Real(0.5)));
    case Unary::kSoftplus: return std::isnan(x) ? x : std::fmax(x, Real(0)) + std::log1p(std::exp(-std::fabs(x)));
    case Unary::kGeluTanh: {
      const Real pi = std::acos(Real(-1)), share = Real(44715) / 1000000;
      return weighed(x, 2 * std::sqrt(2 / pi) * (x + share * x * x * x));
    }
    case Unary::kSilu: return weighed(x, x);
    case Unary::kSoftsign: return std::isinf(x) ? std::copysign(Real(1), x) : x / (1 + std::fabs(x));
    default: return std::numeric_limits<Real>::quiet_NaN();
  }
}

// The largest error in ulp of the sets with fused multiply-add, and of the scalar one, which has none.
struct Bounds {
  double fused, plain;
  double of(const KernelTable& table) const { return std::strcmp(table.name, "scalar") == 0 ? plain : fused; }
};

// Of all floats (ulp_all.cc), and of the doubles that test_math.cc tries; docs/accuracy.md says the same.
struct Curve {
  Unary op;
  const char* name;
  Bounds inFloat, inDouble;
};

inline constexpr Curve kCurves[] = {
    {Unary::kExp, "exp", {1.0, 1.3}, {1.0, 1.3}},           {Unary::kExpm1, "expm1", {1.7, 1.8}, {2.1, 2.2}},
    {Unary::kLog, "log", {0.9, 0.9}, {1.0, 1.0}},           {Unary::kLog1p, "log1p", {1.3, 1.3}, {1.3, 1.3}},
    {Unary::kRsqrt, "rsqrt", {1.5, 1.5}, {1.5, 1.5}},       {Unary::kTanh, "tanh", {2.6, 2.6}, {2.6, 2.6}},
    {Unary::kSigmoid, "sigmoid", {2.5, 2.5}, {2.5, 2.5}},   {Unary::kErf, "erf", {1.1, 1.4}, {1.4, 1.7}},
    {Unary::kGelu, "gelu", {3.7, 4.8}, {5.5, 6.5}},         {Unary::kGeluTanh, "geluTanh", {3.2, 3.4}, {3.2, 3.4}},
    {Unary::kSilu, "silu", {3.4, 3.4}, {3.4, 3.4}},         {Unary::kSoftplus, "softplus", {1.7, 1.8}, {1.8, 1.9}},
    {Unary::kSoftsign, "softsign", {1.5, 1.5}, {1.5, 1.5}}, {Unary::kSin, "sin", {0.6, 0.6}, {1.0, 1.0}},
    {Unary::kCos, "cos", {0.6, 0.6}, {1.0, 1.0}},
};
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
