// Division of integers that rounds down or up, below zero as well, where C++ rounds towards it.
#pragma once

#include <cstdint>

namespace latent {

// Most divide by 1, which takes no division.
inline int64_t floorDiv(int64_t a, int64_t b) { return b == 1 ? a : a / b - (a % b < 0 ? 1 : 0); }
inline int64_t floorMod(int64_t a, int64_t b) { return a - floorDiv(a, b) * b; }
inline int64_t ceilDiv(int64_t a, int64_t b) { return -floorDiv(-a, b); }

}  // namespace latent
