// One dimension of a correlation: output i reads the inputs i·step + first + t·gap for t in [0, taps); outside is zero.
#pragma once

#include "../integers.h"

namespace latent {

struct Line {
  int64_t in, out, step, taps, first, gap;

  int64_t shift(int64_t tap) const { return first + tap * gap; }
  // The outputs read the inputs as they are.
  bool plain() const { return taps == 1 && step == 1 && first == 0 && in == out; }
};

}  // namespace latent
