// The functions of one element. This list is the only one: the operations' names and numbers and the tables of kernels follow
// its order.
#pragma once

#include "kernels.h"

// clang-format off
#define LATENT_UNARY(X)                                                                           \
  X(Neg, neg) X(Abs, abs) X(Sign, sign) X(Exp, exp) X(Log, log) X(Log1p, log1p) X(Expm1, expm1)   \
  X(Sqrt, sqrt) X(Rsqrt, rsqrt) X(Square, square) X(Reciprocal, reciprocal) X(Tanh, tanh)         \
  X(Sigmoid, sigmoid) X(Relu, relu) X(Gelu, gelu) X(GeluTanh, geluTanh) X(Silu, silu)             \
  X(Softplus, softplus) X(Softsign, softsign) X(Erf, erf) X(Sin, sin) X(Cos, cos) X(Floor, floor) \
  X(Ceil, ceil) X(Round, round)
// clang-format on

namespace latent {

enum class Unary : int {
#define LATENT_ENTRY(Name, name) k##Name,
  LATENT_UNARY(LATENT_ENTRY) kCount
#undef LATENT_ENTRY
};

}  // namespace latent
