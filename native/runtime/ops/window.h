// Slices as windows: a start and a step for each dimension, the sizes given by the result.
#pragma once

#include <cmath>

#include "../storage.h"

namespace latent {

// Narrows `window` (the whole tensor at first) to `shape` elements per dimension from reals[2d] on, reals[2d+1] apart.
// False when an element would lie outside.
inline bool narrow(View& window, const int64_t* shape, const double* reals) {
  int64_t offset = 0;
  for (int d = 0; d < window.rank; ++d) {
    const double start = reals[2 * d], step = reals[2 * d + 1], size = static_cast<double>(window.shape[d]);
    const int64_t n = shape[d], stride = window.stride[d];
    window.shape[d] = n;
    if (n == 0) continue;
    const double last = start + static_cast<double>(n - 1) * step;
    const bool whole = start == std::floor(start) && step == std::floor(step) && step != 0;
    if (!whole || !(start >= 0 && start < size && last >= 0 && last < size)) return false;
    // A single element may have any step: it is not taken.
    window.stride[d] = n == 1 ? stride : static_cast<int64_t>(step) * stride;
    offset += static_cast<int64_t>(start) * stride;
  }
  window.data += offset * static_cast<int64_t>(sizeOf(window.dtype));
  return true;
}

}  // namespace latent
