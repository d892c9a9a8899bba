// Convolutions of 3 × 3 taps by Winograd's F(m × m, 3 × 3), of float32 values whose channels lie in blocks: (m + 2)² products give
// m × m outputs, where sums of taps take 9·m².
#pragma once

#include "blocked.h"

namespace latent {

// The convolution of convBlocked for lines of three taps and steps of 1, in tiles of size × size outputs (2 or 4). Filters come as
// their factors: packed[position][block][channel][kBlock].
Status winogradBlocked(int size, const Line& down, const Line& across, int64_t channels, const Blocked& x,
                       const float* packed, int64_t filters, const BlockedEpilogue& epilogue, const Blocked& y);

}  // namespace latent
