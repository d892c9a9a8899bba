// One dimension of a correlation: output i reads the inputs i·step + first + t·gap for t in [0, taps); outside is zero.
#pragma once

#include <cstdint>

namespace latent {

struct Line {
  int64_t in, out, step, taps, first, gap;

  int64_t shift(int64_t tap) const { return first + tap * gap; }
  // The outputs read the inputs as they are.
  bool plain() const { return taps == 1 && step == 1 && first == 0 && in == out; }
};

// Rounded down, as C++ doesn't below zero; most divide by 1, which takes no division.
inline int64_t floorDiv(int64_t a, int64_t b) { return b == 1 ? a : a / b - (a % b < 0 ? 1 : 0); }
inline int64_t floorMod(int64_t a, int64_t b) { return a - floorDiv(a, b) * b; }
inline int64_t ceilDiv(int64_t a, int64_t b) { return -floorDiv(-a, b); }

}  // namespace latent
