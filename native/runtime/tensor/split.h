// A contiguous tensor around one of its axes.
#pragma once

#include "../storage.h"

namespace latent {

struct Split {
  int64_t outer = 1, extent = 1, inner = 1;
};

inline Split splitAt(const View& v, int axis) {
  Split s;
  for (int d = 0; d < v.rank; ++d) {
    if (d < axis) s.outer *= v.shape[d];
    else if (d == axis) s.extent = v.shape[d];
    else s.inner *= v.shape[d];
  }
  return s;
}

}  // namespace latent
