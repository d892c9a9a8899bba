// Steps that run together, block by block, so that what one makes is still in the first caches when the next one reads it.
#pragma once

#include <cstdint>
#include <vector>

namespace latent {

struct Chain {
  int32_t first = 0, end = 0;   // the steps [first, end)
  std::vector<int32_t> locals;  // values that no other step reads: they have a block of room, and no buffer
};

}  // namespace latent
